import pytest

from n2n.formats.filters import canonical_filter, filter_in_path, sanitise

SPELLINGS = {
    "Ha": "Ha|HA|H_Alpha|H-ALPHA|H-alpha|Halpha|HALPHA|H alpha|Halph|H-a|HA7nm|Ha 7nm|7nm_Ha|Ha_3nm|Ha.3nm|"
    "Ha 3.5nm|3.0 nm H-Alpha|H_Alpha 5 nm|HALPHA (6nm)|Ha 90A|Baader Ha 7nm|Ha_12nm_Baader|Astronomik Ha 6nm|"
    "6563|H6563|Ha6563|656.3|656.3nm|Ha 656|Halpha656|H-alpha 6563|Hydrogen Alpha|Ha Narrowband|NBHa|Hα 7nm",
    "HaOIII": "HaOiii|HaOIII|HaO3|HOO|Ha/OIII|Ha-OIII|Ha+OIII|L-eXtreme|L-eNhance|L-Ultimate|NBZ|IDAS NBZ|"
    "Optolong L-eXtreme",
    "OIII": "OIII|O-III|O3|OIII 60A|Oiii",
    "SII": "SII|S2|S-II|Sii",
    "NII": "NII|[NII]|N2",
    "Hb": "Hbeta|H-beta|H_Beta|Hb",
    "SiiOiii": "SiiOiii|S2O3",
    "SiiHb": "SiiHb|S2Hb",
    "L": "L|Lum|Luminance",
    "R": "R|Red",
    "G": "G|Green",
    "B": "B|Blue",
    "Clear": "Clear|Clr|CLEAR",
}
OWN_NAMES = {
    "LPR": "LPR",
    "L-Pro": "L-Pro",
    "IRCUT": "IRCUT",
    "UV-IR": "UV-IR",
    "OG590": "OG590",
    "ip": "ip",
    "Ha_continuum": "Ha-continuum",
    "Ha off": "Ha-off",
    "r DECam SDSS c0002 6415.0 1480.0": "r",
    "Sharpless": "Sharpless",
}
AMBIGUOUS = (
    "H|R-Ha|HaLRGB|Triband|Quad|Baader_7nm|656nm|7nm|Baader|LP|Duo|Dual|Dual Band|ALP-T|"
    "Antlia ALP-T 5nm|F658N|658|Dark|3|Filter 3|H?? 7nm|H?|?"
)


def vectors(table):
    return [(raw, name) for name, spellings in table.items() for raw in spellings.split("|")]


@pytest.mark.parametrize(("raw", "name"), vectors(SPELLINGS))
def test_every_spelling_has_one_name(raw, name):
    found = canonical_filter(raw)
    assert (found.canonical, found.problem) == (name, None)


@pytest.mark.parametrize(("raw", "name"), OWN_NAMES.items())
def test_unknown_names_are_kept_and_said(raw, name):
    found = canonical_filter(raw)
    assert (found.canonical, found.problem) == (name, None)
    assert "own name" in found.note


@pytest.mark.parametrize("raw", AMBIGUOUS.split("|"))
def test_what_could_be_two_filters_stops(raw):
    found = canonical_filter(raw)
    assert (found.canonical, found.problem) == ("", "filter_ambiguous")
    assert found.note


@pytest.mark.parametrize("raw", [None, "", "  ", "None", "No filter", "RGGB", "gbrg", "N/A"])
def test_no_name_is_missing(raw):
    assert canonical_filter(raw).problem == "filter_missing"


@pytest.mark.parametrize(
    ("raw", "nanometres"),
    [
        ("HA7nm", 7),
        ("7nm_Ha", 7),
        ("Ha.3nm", 3),
        ("Ha 3.5nm", 3.5),
        ("3.0 nm H-Alpha", 3),
        ("HALPHA (6nm)", 6),
        ("Ha_12nm_Baader", 12),
        ("Ha 90A", 9),
        ("OIII 60A", 6),
        ("656.3nm", None),
        ("Ha 656", None),
        ("Ha", None),
    ],
)
def test_bandwidth_is_taken_out_of_the_name(raw, nanometres):
    assert canonical_filter(raw).bandwidth_nm == nanometres


@pytest.mark.parametrize(
    ("siblings", "expected"),
    [
        ("SO", "Ha"),
        ("L", "Ha"),
        (["OIII", "H"], "Ha"),
        ("J", "NIR_H"),
        (["Ks", "J"], "NIR_H"),
        ((), ""),
        ("JL", ""),
    ],
)
def test_h_is_settled_by_the_filters_beside_it(siblings, expected):
    found = canonical_filter("H", siblings=siblings)
    assert found.canonical == expected
    assert (found.problem == "filter_ambiguous") == (expected == "")


@pytest.mark.parametrize(
    ("raw", "program", "expected"),
    [("LP", "seestar", "HaOIII"), ("LP", "nina", ""), ("Duo-Band", "dwarf", "HaOIII"), ("Duo", "asiair", "")],
)
def test_some_words_depend_on_the_program(raw, program, expected):
    assert canonical_filter(raw, program=program).canonical == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("n/nordic-ou5-ha-00-regrid.fits.gz", ("Ha", "ha")),
        ("n/M31_L_300s_001.fits", ("L", "L")),
        ("n/M31_l_300s_001.fits", None),
        ("n/OIII/frame_001.fits.fz", ("OIII", "OIII")),
        ("n/Red_Rectangle_Ha_001.fits", None),
        ("n/Sharpless-132_001.fits", None),
    ],
)
def test_filter_words_in_file_names(path, expected):
    found = filter_in_path(path)
    assert (found and (found[0].canonical, found[1])) == expected


def test_names_are_made_safe():
    assert sanitise("NGC 7000 / wide_field") == "NGC-7000-wide-field"
    assert sanitise("../..") == ""
    assert sanitise("Müller's") == "Muller-s"

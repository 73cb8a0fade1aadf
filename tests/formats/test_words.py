"""Words of paths: kinds and exposure times, and never a target's name taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2n.formats.words import exposure_in_path, kind_in_path

TOLD = {
    "flat": """Flats/a.fits FLAT_Ha_001.fits flat-expos23s-Neg5-Vis.00000000.FIT.gz flat001.fits FlatHa.fits FLATHa.fits
        M31flat3.fits skyflat_R_1.fits PLU/1.fits 平场/1.fits CALI_FRAME/flat/1.fits WWCrA#30V_000184527_FLAT.fit.gz
        Lights/M31/flats/IMG_1.fits twilight_flat_R_1.fits flat_wizard/1.fits Flatfields/1.fits FLAT_B_1.0s.fits""",
    "dark": """Dark/1.fits darks60s/1.fits CALI_FRAME/dark/x.fits Dark60s.fits Dunkelbilder/1.fits Noirs/1.fits
        дарки/1.fits brutes/darks/1.fits Dark_ASI533MM_300s_gain100_-10C_001.fits Dark_Atik460_300s.fits
        Darks/Gain100/Offset30/1.fits darks-expos10s-Neg10-Vis.00000000.DARK.FIT.gz
        M31_dark_300s.fits Darks/Ha_cap/1.fits""",
    "bias": """Bias/x.fits Offset/x.fits Offsets/x.fits offset_001.fits zero_001.fits zeros/001.fits Nullbilder/1.fits
        bias-Neg10-Vis.00000000.BIAS.FIT.gz biases-Neg5-Vis.00000000.BIAS.FIT.gz""",
    "darkflat": """dark_flat/1.fits DarkFlats/1.fits FlatDarks/1.fits Flats/darkflat_001.fits DarkFlats/dark_001.fits
        dark-flats-Ha/1.fits""",
    "light": """Lights/1.fits LIGHT_M31_300s_001.fits Brut/1.fits r_lights_00001.fit Light_no_dark_no_flat_001.fits
        LIGHT_Ha_300s_Focus_12345.fits LIGHT/LIGHT_Horsehead_2024-10-03_300s.fits""",
    "master": """MasterFlat.fits masterDark_BIN-1_4144x2822_EXPOSURE-300.00s.xisf Flats/masterflat_Ha.fits
        Masters/flat_001.fits Masters/1.fits master_bias.fits""",
    "not_science": """focus/1.fits focus_run/1.fits Focus/Light_001.fits autofocus_1.fits AutoFocus/1.fits
        snapshot_1.fits platesolve/1.fits plate-solve/1.fits polar_align/1.fits Bahtinov/1.fits""",
}
PHRASES = {
    "raw light subs/1.fits": "light",
    "Light_M 94_10.0s_IRCUT_20250326-212046.fit.gz": "light",
    "darks for flats/1.fits": "darkflat",
    "Test shots/1.fits": "not_science",
    "sky flats/1.fits": "flat",
    "Lights and flats/flat_1.fits": "flat",
    "bias dark flat/bias/1.fits": "bias",
    "Dark-Flat-Bias/flat/f.fits": "flat",
}
TARGETS = """Dark Nebula B33/1.fits|dark shark/1.fits|Dark_Shark_300s.fits|Flat galaxy/1.fits|Flatiron/1.fits
test/1.fits|Lighthouse nebula/1.fits|LightHouse/1.fits|Biasca/1.fits|NGC 7000 light pollution/1.fits|Zero-K/1.fits
Darkmoon/1.fits
offset guider/1.fits|flattened.fits|DarkMoon/1.fits|Dark B33 001.fits|M31_dark_subtracted.fits|M31_flat-fielded.fits
prime focus/M31/1.fits|gain 100 offset 30/1.fits|dark sky/1.fits|after dark/1.fits|First Light/1.fits
zodiacal light/1.fits|dark flat galaxy/1.fits|lsc0m476-sq34-20240703-0263-e00.fits.gz|M31/l_001.fits|2024-10-03/x.fits
Dark LDN 1622/1.fits|Light Echo V838 Mon/1.fits|defocused/1.fits|Ground Zero/1.fits|Northern Lights/1.fits
lightcurve.fits|bias light/1.fits|Darkroom/1.fits|flat earth/1.fits|Polar Lights/a.fits|Zero Point/1.fits"""


@pytest.mark.parametrize("kind", TOLD)
def test_words_tell_the_kind(kind):
    for path in TOLD[kind].split():
        found = kind_in_path(f"2024-10-03/{path}")
        assert found and found[0] == kind, (path, found)


@pytest.mark.parametrize("path", PHRASES)
def test_phrases_tell_the_kind(path):
    assert kind_in_path(f"2024-10-03/{path}")[0] == PHRASES[path]


@pytest.mark.parametrize("path", [path.strip() for path in TARGETS.replace("\n", "|").split("|")])
def test_a_target_is_no_kind(path):
    assert kind_in_path(f"2024-10-03/{path}") is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("darks/flat_001.fits", "flat / darks"),
        ("flats/light_001.fits", "light / flats"),
        ("bias_dark/1.fits", "bias / dark"),
    ],
)
def test_a_contradiction_names_all_its_words(path, words):
    assert kind_in_path(path) == ("", words)


def test_the_word_is_as_written():
    assert kind_in_path("n/FLATS Ha/1.fits") == ("flat", "FLATS")


SINGLE = {"flat": ["flat", "Flats", "FLAT", "flatframes"], "dark": ["dark", "Darks", "DARK"], "bias": ["bias", "Bias"]}
KIND_AND_WORD = st.sampled_from([(kind, word) for kind, words in SINGLE.items() for word in words])
NEUTRAL = st.lists(
    st.sampled_from(["Ha", "300s", "gain100", "001", "2024-10-03", "-10C", "bin2", "L", "ASI533"]), max_size=4
)


@given(KIND_AND_WORD, NEUTRAL, st.sampled_from("_- ."), st.booleans())
def test_a_kind_is_found_among_settings_and_numbers(kind_and_word, settings, joint, as_folder):
    kind, word = kind_and_word
    name = joint.join([word, *settings])
    path = f"night/{name}/img001.fits" if as_folder else f"night/{name}.fits"
    assert kind_in_path(path)[0] == kind


LETTERS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=6)


@given(KIND_AND_WORD, LETTERS)
def test_a_kind_inside_a_longer_word_is_none(kind_and_word, tail):
    word = kind_and_word[1].lower()
    if f"{word}{tail}" in ("flats", "darks", "biases") or tail.startswith(("s", "f", "i", "e", "d")):
        return  # its own plural and compounds
    assert kind_in_path(f"night/{word}{tail}/1.fits") is None


@given(KIND_AND_WORD, KIND_AND_WORD)
def test_two_kinds_are_never_one(first, second):
    found = kind_in_path(f"night/{first[1]}/{second[1]}_001.fits")
    if first[0] != second[0]:
        assert found[0] == ""


@given(st.text(max_size=40))
def test_any_text_is_read(text):
    kind_in_path(text)
    exposure_in_path(text)


TIMES = {
    "flat-expos23s-Neg5": 23, "a/x_300s_1.fits": 300, "60.0s": 60, "x_10.0s_y": 10, "120sec": 120, "0.5s": 0.5,
    "500ms": 0.5, "2min": 120, "20x300s": 300, "1m30s": 90, "300s/5min": 300, "DARK_300S_001.FIT": 300,
    "EXPOSURE-300.00s": 300, "0,5s": 0.5, "light300s": 300, "100us": 1e-4, "Dark 60 sec": 60, "darks60s/1": 60,
}  # fmt: skip


@pytest.mark.parametrize("path", TIMES)
def test_an_exposure_time_has_a_unit(path):
    assert exposure_in_path(path)[0] == pytest.approx(TIMES[path])


NO_TIMES = """5m 300x M31 S2 NGC7000s 20240101_221510 05h35m17s darks-expos1-Neg5 300s/60s site_45S delay5s lsc0m476-e00
2024-10-03_22-15-10s Sh2-155 f5.6 -10C total3600s"""


@pytest.mark.parametrize("path", NO_TIMES.split())
def test_other_numbers_are_no_exposure_time(path):
    assert exposure_in_path(path) is None


@given(
    st.floats(0.001, 9999).map(lambda value: round(value, 2)).filter(bool), st.sampled_from(["s", "sec", "ms", "min"])
)
def test_times_are_read_back(value, unit):
    scale = {"s": 1, "sec": 1, "ms": 1e-3, "min": 60}[unit]
    found = exposure_in_path(f"night/M31_{value:.2f}{unit}_0042.fits")
    assert (found is None) == (value * scale > 86400)
    if found:
        assert found[0] == pytest.approx(value * scale)


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_two_times_are_none(one, other):
    found = exposure_in_path(f"{one}s/light_{other}s.fits")
    assert found[0] == one if one == other else found is None


@pytest.mark.parametrize(
    "name",
    ["nordic-ou5-ha-coadd-regrid.fits.gz", "ha-imslit-median.fits", "Stacked_30_M42.fits", "M31_integration.fits"],
)
def test_a_name_tells_a_stack(name):
    assert kind_in_path(f"night/{name}")[0] == "master"
    assert (kind_in_path(f"night/{name}/l_001.fits") or ("",))[0] != "master"  # of a folder it says nothing


@pytest.mark.parametrize("name", ["FocusPos_1555_M31.fits", "focus_position_1555_l_001.fits", "FocuserTemp_3_l_2.fits"])
def test_the_position_of_the_focuser_is_no_focus_run(name):
    assert kind_in_path(f"night/{name}") is None
    assert kind_in_path("night/focus_001.fits")[0] == "not_science"

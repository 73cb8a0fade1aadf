"""Real frames without the cards of kind, filter and exposure: what evidence tells through ingest is right or open."""

import shutil

import pytest
from astropy.io import fits

from n2n.formats.frametable import QUARANTINE_COLUMNS, read_table
from n2n.planning.intake import ingest

pytestmark = pytest.mark.real
CARDS = (
    *("IMAGETYP", "FRAMETYP", "FRAME", "OBSTYPE", "PICTTYPE", "SUBTYPE", "SUB_TYPE", "MOLTYPE", "EXPTIME", "EXPOSURE"),
    *("EXP", "EXPOINUS", "TOTALEXP", "FILTER", "FILTER1", "FILTER2", "FILTER3", "FILT-1", "FILTERS", "CREATOR"),
    *("BAYERPAT", "DATASUM", "CHECKSUM", "CALSTAT", "PROGRAM"),
)
# Folder below the real frames, what its frames are: kind by the beginning of the name, filters and times they may have.
SETS = [
    ("nights/2017-12-20", {"": "light"}, {"Clear"}, {60}),
    ("nights/arp186-asi290", {"": "light"}, {"L"}, {20}),
    ("nights/lco-drift", {"": "light"}, {"V"}, {19.999, 20}),
    (
        "calibration/stl1001",
        {"bias": "bias", "dark": "dark", "flat": "flat"},
        {"Visible"},
        {0, 10, 20, 23, 30, 60, 150, 300},
    ),
    ("halpha/ou5-not", {"": "light"}, {"Ha", "OIII", "HeII"}, set()),
    ("halpha/ou5-spm", {"": "light"}, {"Ha"}, set()),
    ("registered/siril-qsi683", {"": "light"}, {"L"}, {10}),
    ("registered/wwcra-fli", {"": "light"}, {"V"}, {30}),
]


def strip(source, target):
    """Copy a frame without the cards that tell kind, filter and exposure time."""
    with fits.open(source, do_not_scale_image_data=True, checksum=False) as hdus:
        for hdu in hdus:
            for card in CARDS:
                hdu.header.remove(card, ignore_missing=True, remove_all=True)
        hdus.writeto(target, output_verify="ignore")


@pytest.mark.parametrize(("folder", "kinds", "filters", "times"), SETS, ids=[row[0] for row in SETS])
@pytest.mark.filterwarnings("ignore")
def test_evidence_is_right_or_says_nothing(real_data, tmp_path, folder, kinds, filters, times):
    source, night = real_data / folder, tmp_path / "raw" / "n"
    night.mkdir(parents=True)
    files = sorted(path for path in source.glob("*") if ".fit" in path.name.lower())
    few = [path for start in kinds for path in [p for p in files if p.name.startswith(start)][:4]]
    for path in few:
        strip(path, night / path.name.removesuffix(".gz"))
    rows = ingest(
        tmp_path / "raw", "n", tmp_path / "results", overrides={"n": {"stage": "raw"}}, report=lambda line: None
    )
    aside = read_table(tmp_path / "results/n/quarantine.csv", QUARANTINE_COLUMNS)
    assert len(rows) + len(aside) == len(few)
    # A question is no error; a mosaic or a copy where there is none would be.
    allowed = {"kind_unknown", "no_exposure", "filter_missing", "filter_ambiguous", "not_science", "already_processed"}
    assert {row["reason_code"] for row in aside} <= allowed - {"not_science"}
    for row in rows:
        name = row["path"].removeprefix("n/")
        assert row["kind"] == next(kind for start, kind in kinds.items() if name.startswith(start))
        assert "kind:" in row["evidence"]
        assert row["filter"] in filters | {""}
        assert not row["exptime_s"] or float(row["exptime_s"]) in times
    shutil.rmtree(night)

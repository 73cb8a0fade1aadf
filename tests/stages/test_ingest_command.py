"""`n2n ingest`: the tables of nights, by hand."""

import numpy as np
import pytest
from astropy.io import fits

from n2n.cli import main
from n2n.formats.tables import read_csv


@pytest.fixture
def sky(tmp_path, monkeypatch):
    """A working folder with two nights of one light each."""
    monkeypatch.chdir(tmp_path)
    for seed, night in enumerate(("2026-10-03", "Thor's {Ha}")):
        pixels = np.random.default_rng(seed).normal(1000, 20, (64, 64)).astype(np.uint16)
        cards = {"IMAGETYP": "LIGHT", "OBJECT": "M 31", "FILTER": "Ha", "EXPTIME": 60.0, "INSTRUME": "Cam"}
        path = tmp_path / "data/raw" / night / "1.fits"
        path.parent.mkdir(parents=True)
        fits.writeto(path, pixels, fits.Header(cards | {"DATE-OBS": f"2026-10-03T20:00:0{seed}"}))
    return tmp_path


def test_all_nights_by_default_and_where_their_tables_are(sky, capsys):
    assert main(["ingest"]) == 0
    said = capsys.readouterr().err
    for night in ("2026-10-03", "Thor's {Ha}"):
        assert f"results/{night}/frames.csv and quarantine.csv beside it" in said
        assert [row["kind"] for row in read_csv(sky / "results" / night / "frames.csv")] == ["light"]


def test_one_night_with_roots_and_settings_of_its_own(sky):
    (sky / "my.yaml").write_text("overrides:\n  2026-10-03: {camera: 1600}\nresults: elsewhere\n")
    assert main(["ingest", "2026-10-03", "--config", "my.yaml", "--raw", "data/raw/", "--results=-out"]) == 0
    assert [row["camera"] for row in read_csv(sky / "-out/2026-10-03/frames.csv")] == ["1600"]
    assert not (sky / "elsewhere").exists() and not (sky / "-out/Thor's {Ha}").exists()


def test_a_mistake_is_one_line(sky, capsys):
    assert main(["ingest", "2020-01-01"]) == 1
    assert "night '2020-01-01' is not in data/raw; there: 2026-10-03, Thor's {Ha}" in capsys.readouterr().err
    assert main(["ingest", "--config", "none.yaml"]) == 1
    assert "cannot read the configuration none.yaml" in capsys.readouterr().err

"""The whole workflow on real frames, with the shipped settings but a short training."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

pytestmark = [pytest.mark.real, pytest.mark.workflow]
REPOSITORY = Path(__file__).parents[2]


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the workflow in `folder` on two cores without a GPU."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2"]
    return subprocess.run(
        [*command, "--resources", "gpu=0", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
    )


def link(folder: Path, night: str, files) -> None:
    """Put real files into a night without copying them."""
    target = folder / "data/raw" / night
    target.mkdir(parents=True)
    for file in files:
        (target / file.name).symlink_to(file)


def test_hatp32_runs_from_raw_to_report(real_data, tmp_path):
    files = sorted((real_data / "nights/2017-12-20").glob("*.gz"))[12:36]  # 0254 is trailed
    link(tmp_path, "2017-12-20", files)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("train: {steps: 150}\ndenoise: {orientations: 1}\n")
    done = snakemake(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (group,) = (tmp_path / "results/2017-12-20").glob("HATP*_Clear")
    facts = json.loads((group / "assessment.json").read_text())
    left_out = {Path(f["filename"]).name: f["reasons"] for f in facts["frames"] if not f["accepted"]}
    assert any("trailed" in reason for reason in left_out["HATP-32171220025412.fits.gz"])
    assert len(left_out) <= 4
    assert facts["exposures"]["found"] == 24
    # The network cannot be judged after so few steps, but it must do no harm that goes unnoticed.
    assert facts["qastat"] in ("PASS", "FAIL")
    assert facts["zones"]["background"]["value"] > 1
    # Nobody knows this camera's gain: the variance comes from the exposures, which stars move in.
    # Five exposures are held out, and what one of them does to bright stars is no chance of many. With the scatter as
    # it is, moved stars and all, it was 0.6 there.
    faint, bright = (facts["held_out_chi2"]["classes"][part] for part in (slice(3), slice(3, None)))
    assert [one["value"] for one in faint] == pytest.approx([1.0] * 3, abs=0.1)
    assert [one["value"] for one in bright] == pytest.approx([1.0] * 2, abs=0.35)
    report = (tmp_path / "results/2017-12-20/report.html").read_text()
    assert "trailed" in report
    with fits.open(group / "denoised.fits", checksum=True) as hdus:
        assert hdus[0].data.dtype.name == "float32"
        assert [hdu.name for hdu in hdus[1:]] == ["MASK", "VAR", "COVERAGE", "STACK", "PROVENANCE"]
        stack = hdus["STACK"].data
        covered = hdus["COVERAGE"].data > 10
        noise = np.sqrt(np.median(fits.getdata(group / "stack.fits", "VAR")[covered]))
        # Saturated and bleeding stars must not ring: nothing far below the sky.
        assert np.nanmin(stack[covered]) > np.nanmedian(stack) - 40 * noise


def test_ou5_stops_with_one_clear_line_until_it_is_told_what_it_is(real_data, tmp_path):
    files = sorted((real_data / "halpha/ou5-not").glob("*.gz"))
    link(tmp_path, "ou5-not", files)
    done = snakemake(tmp_path)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in text
    assert "set in config/config.yaml: overrides:" in text
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(
        'overrides:\n  "ou5-not/*-ha-0*": {kind: light, filter: Ha, exptime_s: 1800, target: Ou5}\n'
    )
    done = snakemake(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    group = tmp_path / "results/ou5-not/Ou5_Ha"
    with fits.open(group / "denoised.fits") as hdus:
        header = hdus[0].header
        assert header["PROCTYPE"] == "STACK"
        assert header["QASTAT"] == "WARN"
        assert "only 2 exposures" in header["QAREASON"]
        assert header["NCOMBINE"] == 2
        # The nebula's peak is there: stars and nebula were not taken for hot pixels.
        raw = fits.getdata(files[[f.name for f in files].index("nordic-ou5-ha-00-regrid.fits.gz")], 1)
        assert np.nanmax(hdus[0].data) > 0.7 * np.nanmax(raw)

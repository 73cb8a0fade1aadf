"""A night as the other stages leave it for `report`: three groups, one of each verdict."""

import json
from importlib import resources

import jsonschema
import numpy as np
from astropy.io import fits
from frames import row_of

from n2n.cli import main
from n2n.fidelity.gates.gate import Verdict
from n2n.formats.frametable import FRAME_COLUMNS
from n2n.formats.products import write_fits
from n2n.formats.tables import csv_text, write_json

NIGHT = "2026-10-03"
GROUPS = {"M31_Ha": "PASS", "M33_L": "WARN", "M42_R": "FAIL"}


def faults(facts):
    """What the committed schema says against an assessment."""
    schema = json.loads(resources.files("n2n").joinpath("fidelity/assessment.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    found = jsonschema.Draft202012Validator(schema).iter_errors(facts)
    return [f"{list(fault.path)}: {fault.message}" for fault in found]


def gate(name="G8", title="Width of stars", value=0.5, error=0.2, limit=2.0, unit="%", verdict="PASS"):
    bound = "at least" if name == "G1" else "within"
    return Verdict(name, title, value, error, limit, unit, verdict, "What this means.", bound).as_dict()


def frame(index, reason=None):
    return {
        "filename": f"{NIGHT}/LIGHT/light_{index:02d}.fits",
        "sha256": f"{index:064x}",
        "accepted": reason is None,
        "reasons": [reason] if reason else [],
        "date_obs": f"2026-10-03T20:{index:02d}:00",
        "fwhm_px": 3.0 + index / 10,
        "ellipticity": 0.05,
        "background": 55.0,
        "n_stars": 100,
        "transparency": None if reason else 0.98,
        "weight": None if reason else 1.0,
        "block": None if reason else "A",
    }


def facts_of(group, verdict):
    """An assessment as `n2n assess` writes it."""
    frames = [frame(index) for index in range(9)] + [frame(9, f"few stars in {group}: 45, limit 57")]
    unknown = {"value": None, "standard_error": None}
    reasons = {
        "WARN": "only 9 exposures: too few to prove the result", "FAIL": "Width of stars: 4.2 %, limit 2", "PASS": "",
    }  # fmt: skip
    facts = {
        "schema": 1,
        "night": NIGHT,
        "group": group,
        "target": group.split("_")[0],
        "filter": group.split("_")[1],
        "unit": "electron",
        "exposures": {"found": 10, "used": 9, "training": 7, "held_out": 2, "total_s": 540.0},
        "reference": frames[0]["filename"],
        "limits": {"fwhm_px": 4.5},
        "calibration": ["dark: 12 frames of the same night (dark-x)", "flat: none through Ha"],
        "frames": frames,
        "versions": {"n2n": "0.1.0", "python": "3.12.3"},
        "product": "DENOISED" if verdict == "PASS" else "STACK",
        "qastat": verdict,
        "reason": reasons[verdict],
        "gates": [],
        "prov_id": f"urn:uuid:00000000-0000-5000-8000-{list(GROUPS).index(group):012d}",
    }
    if verdict == "WARN":
        return facts
    gains = {"value": 16.0, "standard_error": 1.3}
    return facts | {
        "exposure_gain": gains,
        "exposure_gain_measured": gains | {"exposures": 7},
        "gain_by_brightness": {"edges_sigma": [1.0, 3.0], "classes": [gains, gains, unknown]},
        "held_out_chi2": {
            "edges_sigma": [1.0, 3.0],
            "classes": [
                {"value": 1.02, "standard_error": 0.01}, {"value": 0.97, "standard_error": 0.02}, unknown,
            ],
        },
        "zones": {"background": gains, "extended": gains, "stars": unknown},
        "single_exposure": {"filename": frames[7]["filename"], "all": gains},
        "model": {
            "path": "models/cam_Ha/abc123/model.json", "groups": [f"{NIGHT}/{group}"], "frames": 7,
            "recipe": {"steps": 700}, "device": "cpu", "weights_sha256": "f" * 64,
        },
        "gates": [
            gate("G1", "Gain", 16.0, 1.3, 1.2, "x"),
            gate("G6", "Flux of stars, S/N above 50", None, None, 1.0, verdict="INFO"),
            gate(value=4.2, verdict="FAIL") if verdict == "FAIL" else gate(),
        ],
    }  # fmt: skip


def write_night(base, shape=(72, 96)):
    """Write the night's results below `base`; returns their folder.

    The stack is noise about 50, the denoised image 50 everywhere.
    """
    random = np.random.default_rng(1)
    folder = base / "results" / NIGHT
    for group, verdict in GROUPS.items():
        stack = random.normal(50, 2, shape).astype(np.float32)
        image = np.full_like(stack, 50) if verdict == "PASS" else stack
        extra = [fits.ImageHDU(stack, name="STACK"), fits.ImageHDU(np.full_like(stack, 4), name="VAR")]
        for name in ("denoised.fits", "stack.fits"):
            write_fits(folder / group / name, [fits.PrimaryHDU(image), *extra])
        write_json(folder / group / "assessment.json", facts_of(group, verdict))
    model = base / "models" / "cam_Ha" / "abc123"
    model.mkdir(parents=True)
    (model / "training.csv").write_text(
        "step,training_loss,validation_loss,learning_rate,seconds\n50,0.3,0.4,1e-3,1\n100,0.25,0.38,1e-3,2\n"
    )
    lights = [
        row_of(
            path=f"{NIGHT}/LIGHT/light_{index:02d}.fits",
            sha256=f"{index:064x}",
            group="M31_Ha" if index < 9 else "M45_L",
            notes="gain unknown" if index < 9 else "",
        )
        for index in range(10)
    ]
    (folder / "frames.csv").write_text(csv_text(lights, list(FRAME_COLUMNS)))
    bad = [{"path": f"{NIGHT}/<script>alert(1)</script>.fits", "reason_code": "truncated", "reason": "a <b> & c"}]
    (folder / "quarantine.csv").write_text(csv_text(bad, ["path", "reason_code", "reason"]))
    return folder


def command(night, *more, groups=tuple(GROUPS)):
    """`n2n report` for a night in the working directory; `more` replaces its tables and output."""
    tables = ["--frames", night / "frames.csv", "--quarantine", night / "quarantine.csv", "--models", "models"]
    words = ["report", *(night / group / "assessment.json" for group in groups), *(more or tables)]
    outputs = ["--output", night / "report.html", "--summary", night / "summary.csv"]
    return main([str(word) for word in words + ([] if more else outputs)])

"""Stage `assess`: judge the candidate on exposures nobody trained on, then write the product.

denoised.fits is written here and nowhere else: with the denoised image when every gate passed, with the plain
stack, marked as such and with the reason, when one failed or nothing could be proved.
"""

import json
from functools import partial
from pathlib import Path

import h5py
from astropy.io import fits

from n2n.config import add_settings
from n2n.fidelity.judge import judge
from n2n.formats.products import read_product, set_cards, write_fits
from n2n.formats.provenance import (
    denoise_cards,
    history_line,
    identity_cards,
    product_hdus,
    provenance_id,
    quality_cards,
    versions,
)
from n2n.formats.tables import write_json
from n2n.group.group import Pairs
from n2n.log import logger
from n2n.report.calibration import calibration_of
from n2n.report.changed import write_changed, write_nothing
from n2n.report.images import before_after_png, preview_png

SCHEMA = 1  # of assessment.json; raised when a key changes its meaning or goes


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("pairs", type=Path, help="pairs.h5 of the group")
    parser.add_argument("--stack", type=Path, required=True, help="stack.fits of the group")
    parser.add_argument("--candidate", type=Path, required=True, help="candidate.h5 of `n2n denoise`")
    parser.add_argument("--calibration", type=Path, help="calibration.json of the group, for the report")
    parser.add_argument("--vetted", type=Path, nargs="*", default=[], help="what `n2n vet` found, for the report")
    parser.add_argument("--injected", type=Path, help="inject.json of `n2n inject`; without it the depth is not judged")
    parser.add_argument("-o", "--output", type=Path, required=True, help="denoised.fits to write, the rest beside it")
    add_settings(parser, "gates")


def run(args) -> None:
    """Execute the stage."""
    pairs = Pairs(args.pairs)
    header, stack = read_product(args.stack, "VAR", "MASK", "COVERAGE")
    facts = describe(pairs, args)
    with h5py.File(args.candidate, "r") as candidate:
        refused = candidate.attrs.get("refused")
        if refused:
            facts |= {"product": "STACK", "qastat": "WARN", "reason": refused, "gates": []}
            image, variance, mask = stack["IMAGE"], stack["VAR"], stack["MASK"]
            header["PROCTYPE"] = ("STACK", "plain stack: denoising was not possible")
            write_nothing(args.output.parent)
        else:
            facts["model"], settings = (json.loads(candidate.attrs[name]) for name in ("model", "settings"))
            image, variance, mask = judge(
                pairs, stack, candidate, header, facts, args, partial(write_changed, args.output.parent)
            )
            set_cards(header, denoise_cards(facts["model"], settings, facts))
    facts["prov_id"] = provenance_id(facts, [*pairs.frames, *pairs.left_out])
    set_cards(header, quality_cards(facts) | identity_cards(facts))
    header.add_history(
        history_line("assess", f"{facts['product']} {len(pairs.frames)} frames QASTAT={facts['qastat']}")
    )
    extra = [fits.ImageHDU(stack["IMAGE"], name="STACK")]
    extra[0].header["BUNIT"] = header["BUNIT"]
    write_fits(
        args.output,
        product_hdus(image, header, variance, mask, stack["COVERAGE"], pairs.frames, pairs.left_out, extra),
    )
    folder = args.output.parent
    before_after_png(folder / "before_after.png", stack["IMAGE"], image, facts)
    preview_png(folder / "preview.png", image, like=stack["IMAGE"])
    write_json(folder / "assessment.json", facts)
    logger.info("%s: %s", facts["qastat"], facts.get("headline") or facts["reason"])


def describe(pairs: Pairs, args) -> dict:
    """What is known before any judging."""
    row, folder = pairs.meta["row"], args.pairs.resolve().parent
    everything = sorted([*pairs.frames, *pairs.left_out], key=lambda entry: entry["path"])
    columns = ("date_obs", "fwhm_px", "ellipticity", "background", "background_rms", "n_stars")
    columns += ("transparency", "rms_px", "overlap", "weight", "block")
    exposures = [float(entry["exptime_s"]) for entry in pairs.frames if entry["exptime_s"]]
    return {
        "schema": SCHEMA,
        "night": folder.parent.name,
        "group": folder.name,
        "target": row["target"],
        "filter": row["filter"],
        "unit": pairs.meta["unit"],
        "exposures": {
            "found": len(everything),
            "used": len(pairs.frames),
            "training": int((pairs.blocks != "C").sum()),
            "held_out": int((pairs.blocks == "C").sum()),
            "total_s": sum(exposures) or None,
        },
        "reference": pairs.meta["reference"],
        "limits": pairs.meta["limits"],
        "calibration": [
            *calibration_of(args.calibration, args.vetted, pairs.frames),
            *(f"gain: {note}" for note in pairs.meta.get("notes", [])),
        ],
        "frames": [
            {
                "filename": entry["path"],
                "sha256": entry["sha256"],
                "accepted": not entry["rejected"],
                "reasons": entry["rejected"],
                **{column: entry.get(column) for column in columns},
            }
            for entry in everything
        ],
        "versions": versions(),
    }

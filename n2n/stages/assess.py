"""Stage `assess`: judge the candidate on exposures nobody trained on, then write the product.

denoised.fits is written here and nowhere else: with the denoised image when every gate passed, with the plain
stack, marked as such and with the reason, when one failed or nothing could be proved.
"""

import json
from pathlib import Path

import numpy as np
from astropy.io import fits

from n2n.config import add_settings, settings_of
from n2n.fidelity.judge import Candidate, judge
from n2n.formats import sealed
from n2n.formats.products import read_product, set_cards, write_fits
from n2n.formats.provenance import (
    denoise_cards,
    history_line,
    identity_cards,
    provenance_id,
    quality_cards,
    versions,
)
from n2n.formats.tables import read_json, write_json
from n2n.group.cards import product_hdus
from n2n.group.exposure import total_exposure
from n2n.group.facts import pattern_told
from n2n.group.group import Group
from n2n.log import logger
from n2n.report.calibration import calibration_of
from n2n.report.changed import write_changed, write_nothing
from n2n.report.images import before_after_png, preview_png
from n2n.stages.args import vetted

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
    group = Group(args.pairs)
    header, stack = read_product(args.stack, "VAR", "MASK", "COVERAGE")
    for path in args.vetted:
        vetted(path, group.identity)
    facts = describe(group, args)
    group.check_stack(args.stack, stack["IMAGE"])
    with sealed.opened(args.candidate) as candidate:
        group.check_made(args.candidate, candidate.attrs.get("pairs", ""))
        refused = candidate.attrs.get("refused")
        if refused:
            facts |= {"product": "STACK", "qastat": "WARN", "reason": refused, "gates": []}
            image, variance, mask = stack["IMAGE"], stack["VAR"], stack["MASK"]
            header["PROCTYPE"] = ("STACK", "plain stack: denoising was not possible")
            write_nothing(args.output.parent)
        else:
            facts["model"], settings = (json.loads(candidate.attrs[name]) for name in ("model", "settings"))
            found = judge(
                group, stack, candidate_of(candidate, facts["model"], settings),
                injected(group, args.injected), settings_of(args, "gates"),
            )  # fmt: skip
            image, variance, mask = found.image, found.variance, found.mask
            facts |= found.facts
            write_changed(args.output.parent, found.changed, found.cut_outs, header)
            header["PROCTYPE"] = found.proctype
            set_cards(header, denoise_cards(facts["model"], settings, group.identity, facts["product"]))
    facts["prov_id"] = provenance_id(facts, {exposure.sha256: not exposure.rejected for exposure in group.everything})
    set_cards(header, quality_cards(facts) | identity_cards(facts))
    header.add_history(
        history_line("assess", f"{facts['product']} {len(group.exposures)} frames QASTAT={facts['qastat']}")
    )
    extra = [fits.ImageHDU(stack["IMAGE"], name="STACK")]
    extra[0].header["BUNIT"] = header["BUNIT"]
    write_fits(
        args.output,
        product_hdus(image, header, variance, mask, stack["COVERAGE"], group.everything, extra),
    )
    folder = args.output.parent
    before_after_png(folder / "before_after.png", stack["IMAGE"], image, facts)
    preview_png(folder / "preview.png", image, like=stack["IMAGE"])
    write_json(folder / "assessment.json", facts)
    said = [text for text in (facts.get("headline"), facts["reason"]) if text]
    logger.info("%s: %s", facts["qastat"], "; ".join(said))


def candidate_of(file, model: dict, settings: dict) -> Candidate:
    """The candidate of an open candidate.h5; its images are read when they are asked for.

    Parameters
    ----------
    file : h5py.File
        It stays open for as long as the candidate is used.
    model, settings : dict
        What made it, and how, as its attributes say.
    """
    return Candidate(
        read=lambda name: file[name][:], held_out=np.asarray(file.attrs["held_out"], int),
        single=int(file.attrs["single"]), tile=settings["tile"], overlap=settings["overlap"],
        untrained=model.get("untrained") or "",
    )  # fmt: skip


def injected(group: Group, path: Path | None) -> dict:
    """What `n2n inject` found on the same pairs.h5; empty where it was not run."""
    if not path:
        return {}
    facts = read_json(path)
    group.check_made(path, facts.pop("pairs", ""))
    return facts


def describe(group: Group, args) -> dict:
    """What is known before any judging."""
    facts, everything = group.facts, [exposure.to_json() for exposure in group.everything]
    columns = ("date_obs", "fwhm_px", "ellipticity", "background", "background_rms", "n_stars")
    columns += ("transparency", "rms_px", "overlap", "weight", "block")
    return {
        "schema": SCHEMA,
        "night": group.night,
        "group": group.name,
        "target": facts.target,
        "filter": facts.filter,
        "unit": facts.unit,
        "exposures": {
            "found": len(everything),
            "used": len(group.exposures),
            "training": int((group.blocks != "C").sum()),
            "held_out": int((group.blocks == "C").sum()),
            "total_s": total_exposure(group.exposures) or None,
        },
        "reference": facts.reference,
        "limits": facts.limits,
        "calibration": [
            *calibration_of(args.calibration, args.vetted, [exposure.row for exposure in group.exposures]),
            *(f"gain: {note}" for note in facts.notes),
            *([f"detector: {told}"] if (told := pattern_told(facts.pattern)) else []),
        ],
        "frames": [
            {
                "filename": content["path"],
                "sha256": content["sha256"],
                "accepted": not content["rejected"],
                "reasons": content["rejected"],
                **{column: content.get(column) for column in columns},
            }
            for content in everything
        ],
        "versions": versions(),
    }

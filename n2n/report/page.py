"""The page: what a person looks at in the morning."""

import itertools
import os
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from n2n import __version__
from n2n.errors import UserError
from n2n.formats.networks import name_and_id
from n2n.formats.tables import number, read_csv
from n2n.report import charts as charts
from n2n.report import frames as exposures
from n2n.report import pictures as illustrations
from n2n.report import words as words
from n2n.report.depth import depth_view

HERE = Path(__file__).parent


def check(groups: list[dict]) -> None:
    """Raise when a group failed.

    Raises
    ------
    UserError
        Names each failed group and why.
    """
    failed = [facts for facts in groups if facts.get("qastat") == "FAIL"]
    if failed:
        said = "; ".join(f"{name_of(facts)}: {' '.join(words.reasons_of(facts))}" for facts in failed)
        raise UserError(f"a gate failed and gates.strict is set. {said} See the night's report.html")


def name_of(facts: dict) -> str:
    """``night/group``."""
    return f"{facts.get('night', '?')}/{facts.get('group', '?')}"


def page(views: list[dict], frames: list[dict], quarantined: list[dict], **night) -> str:
    """The whole page as text; the worst verdicts come first. `night` has its name, colour composites and summary."""
    views = sorted(views, key=lambda view: words.ORDER[view["verdict"]])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        groups=views,
        **night,
        tally=words.tally([view["verdict"] for view in views]),
        inventory=exposures.inventory(frames, quarantined),
        inferred=exposures.inferred(frames),
        quarantined=quarantined,
        leftovers=exposures.leftovers(frames, {view["group"] for view in views}) if frames else [],
        version=__version__,
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "report.js").read_text(encoding="utf-8")),
    )


def group_view(path: Path, facts: dict, args, frames: list[dict]) -> dict:
    """All the template says about one group."""
    folder = path.parent
    verdict = words.verdict_of(facts)
    rows = exposures.frame_rows(facts)
    return {
        "group": facts["group"],
        "title": facts.get("target") or facts["group"],
        "filter": facts.get("filter") or "",
        "verdict": verdict,
        "said": words.said_of(facts),
        "sign": words.SIGNS[verdict],
        "reasons": [words.unbroken(reason) for reason in words.reasons_of(facts)],
        "gain": words.unbroken(words.gain_of(facts)),
        "gain_short": words.unbroken(words.gain_of(facts, 1)),
        "equal": words.equal_exposures(facts),
        "brief": [words.unbroken(reason) for reason in words.reasons_of(facts, limits=False)],
        "zones": words.unbroken(words.zones_sentence(facts)),
        "exposures": facts["exposures"],
        "total": words.duration(facts["exposures"].get("total_s")),
        "denoised": facts.get("product") == "DENOISED",
        "pictures": illustrations.pictures_of(folder, facts.get("product") == "DENOISED"),
        "gain_chart": charts.gain_chart(gain_rows(facts)),
        "brightness_chart": charts.gain_chart(brightness_rows(facts, "gain_by_brightness")),
        "variance_chart": charts.chi2_chart([row[:2] for row in brightness_rows(facts, "held_out_chi2")]),
        "measured_on": (facts.get("exposure_gain_measured") or {}).get("exposures"),
        "gates": [gate_row(gate) for gate in facts.get("gates") or []],
        "changed": illustrations.changed_of(folder, facts, args.output.parent),
        "depth": depth_view(facts),
        "model": model_view(facts, args),
        "rows": rows,
        "rejected": sum(not row["used"] for row in rows),
        "unit": {"electron": "e⁻"}.get(facts.get("unit"), "ADU"),
        "plots": exposures.night_plots(facts),
        "calibration": exposures.calibration_rows(facts),
        "notes": exposures.header_notes(frames, facts["group"]),
        "versions": facts.get("versions") or {},
        "prov_id": facts.get("prov_id"),
        "files": files_of(folder, args.output.parent),
    }


def gain_rows(facts: dict) -> list[tuple]:
    """Rows of the chart of gains: the whole image and every zone, for the stack and for a single exposure."""
    single = facts.get("single_exposure") or {}
    whole = {"all": facts.get("exposure_gain"), **(facts.get("zones") or {})}
    rows = []
    for key, name in {"all": "whole image", **words.ZONES}.items():
        pair = [known_gain(gains.get(key)) for gains in (whole, single)]
        if any(pair):
            rows.append((name, *pair))
    return rows


def brightness_rows(facts: dict, key: str) -> list[tuple]:
    """Rows of a chart by surface brightness, the faintest first."""
    found = facts.get(key) or {}
    edges = [f"{edge:g}" for edge in found.get("edges_sigma") or []]
    names = [f"below {edges[0]} σ", *(f"{low} to {high} σ" for low, high in itertools.pairwise(edges))] if edges else []
    names += [f"above {edges[-1]} σ"] if edges else []
    gains = map(known_gain, found.get("classes") or [])
    return [(name, gain, None) for name, gain in zip(names, gains, strict=False) if gain]


def known_gain(gain: dict | None) -> tuple[float, float | None] | None:
    """Value and standard error of a gain that could be measured."""
    value = number((gain or {}).get("value"))
    return (value, number(gain.get("standard_error"))) if value and value > 0 else None


def gate_row(gate: dict) -> dict:
    """One gate in words."""
    verdict = gate.get("verdict", "INFO")
    return {
        "title": gate.get("title", gate.get("name", "")),
        "value": words.measured(gate),
        "limit": words.needs(gate),
        "verdict": verdict,
        "said": {"PASS": "passed", "FAIL": "failed"}.get(verdict, "not judged"),
        "sign": words.SIGNS.get(verdict, "–"),
        "explanation": gate.get("explanation", ""),
    }


def model_view(facts: dict, args) -> dict | None:
    """The network in words, with its curves where they can be found."""
    model = facts.get("model")
    if not model:
        return None
    name, identity = name_and_id(model)
    folder = (args.models or Path("models")) / name / identity
    file = link(folder / "model.json", args.output.parent) if name else None
    if not name and model.get("path"):  # of the network that comes with n2n: part of the program, no file of the night
        file = {"text": model["path"], "href": "", "there": False}
    curves = folder / "training.csv"
    points = []
    if name and curves.is_file():
        keys = ("step", "training_loss", "validation_loss")
        points = [tuple(number(row.get(key)) for key in keys) for row in read_csv(curves)]
    recipe, groups = model.get("recipe") or {}, [str(group) for group in model.get("groups") or []]
    where = f"on {model['device']}" if model.get("device") else ""
    return {
        "name": name or "unnamed",
        "id": identity,
        "groups": groups,
        "own": name_of(facts) in groups,
        "why": model.get("untrained") or model.get("unsuited") or "no network was trained",
        "exposures": model.get("frames"),
        "steps": recipe.get("steps"),
        "where": ", ".join(filter(None, (where, words.duration(number(model.get("seconds")))))),
        "architecture": model.get("architecture", ""),
        "parameters": f"{model['parameters']:,}".replace(",", " ") if model.get("parameters") else "",
        "seed": recipe.get("seed"),
        "digest": model.get("weights_sha256", ""),
        "file": file,
        "chart": charts.curves_chart([point for point in points if None not in point]),
    }


def link(path: Path, start: Path) -> dict:
    """A file as a link relative to the page."""
    relative = Path(os.path.relpath(path, start)).as_posix()
    return {"text": relative, "href": quote(relative), "there": path.exists()}


def files_of(folder: Path, start: Path) -> list[dict]:
    """The files of a group that a person may want to open."""
    named = {
        "denoised.fits": "the product: image, variance, mask, coverage, plain stack and provenance",
        "stack.fits": "the plain stack",
        "before_after.png": "stack and product side by side",
        "preview.png": "the whole field",
        "changed_sources.csv": "sources that denoising changed by more than 3 sigma, a check list",
        "assessment.json": "every number on this page",
    }
    there = {name: what for name, what in named.items() if (folder / name).exists()}
    return [link(folder / name, start) | {"what": what} for name, what in there.items()]

"""What there is to do: groups, their chunks, calibration and models, from the lists of frames.

Everything is decided from `frames.csv` (append-only) when snakemake reads the workflow, and written to
small files that the jobs depend on. They are rewritten only when their content changes, so that a new
night or a late frame sets off its own jobs and no others.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text_if_changed
from n2n.formats.tables import csv_text, number, read_csv, read_json

# Raised when a stage makes other pixels from the same input; snakemake then runs it again.
RECIPES = {
    "master": 1,
    "measure": 1,
    "reference": 1,
    "register": 1,
    "pairs": 1,
    "stack": 1,
    "train": 1,
    "denoise": 1,
    "assess": 1,
    "report": 1,
    "photo": 1,
    "study": 1,
}
REFERENCE_EXPOSURES = 8  # later batches do not change the reference once this many lights are there
MIN_CALIBRATION = 3  # frames a master needs
SETUP = ("camera", "width", "height", "binning", "gain_setting", "offset")
MAX_DEGREES = 2.0  # difference of sensor temperature between dark and light


@dataclass(frozen=True)
class Master:
    """One master frame to make: its key (also its file name), kind, frames, and what to subtract first."""

    key: str
    kind: str
    night: str
    rows: tuple[dict, ...]
    zero: str | None = None


@dataclass(frozen=True)
class Group:
    """One target through one filter in one night."""

    night: str
    name: str
    chunks: dict[str, list[dict]]
    reference_chunks: tuple[str, ...]
    calibration: dict
    model: str | None

    @property
    def lights(self) -> int:
        """Number of exposures found, accepted or not."""
        return sum(map(len, self.chunks.values()))


@dataclass
class Plan:
    """All there is to do for the chosen nights."""

    nights: list[str]
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    masters: dict[str, Master] = field(default_factory=dict)
    training: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of_night(self, night: str) -> list[Group]:
        """Groups of a night."""
        return [group for group in self.groups.values() if group.night == night]


def find_nights(raw: Path, wanted, results: Path) -> list[str]:
    """Names of the nights to process.

    Raises
    ------
    UserError
        When the raw folder or a named night does not exist.
    """
    raw = Path(raw)
    if not raw.is_dir():
        raise UserError(
            f"the folder of raw nights, {raw}, does not exist; create {raw}/<night>/ and put your frames there"
        )
    try:
        there = sorted(entry.name for entry in raw.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"cannot read {raw}: {error.strerror}; check its permissions") from error
    known = sorted({path.parent.name for path in Path(results).glob("*/frames.csv")} | set(there))
    if wanted == "all":
        if not there:
            raise UserError(f"no night in {raw}; put your frames into {raw}/<night>/, one folder a night")
        return there
    wanted = [str(night) for night in (wanted if isinstance(wanted, list) else [wanted])]
    for night in wanted:
        if night not in known:
            raise UserError(f"night {night!r} is not in {raw}; there: {', '.join(there) or 'nothing'}")
    return wanted


def ingest_nights(config: dict, nights: list[str], report: Callable[[str], None]) -> None:
    """Bring the lists of frames up to date."""
    from n2n.stages.ingest import ingest

    for night in nights:
        ingest(
            Path(config["raw"]),
            night,
            Path(config["results"]),
            overrides=config["overrides"],
            chunk_size=config["ingest"]["chunk_size"],
            max_image_bytes=int(config["ingest"]["max_image_gb"] * 2**30),
            report=report,
        )


def make_plan(config: dict, nights: list[str]) -> Plan:
    """Decide what belongs together; reads frames.csv of the nights and of the calibration library.

    Raises
    ------
    UserError
        When no night has anything to stack.
    """
    results = Path(config["results"])
    plan = Plan(nights)
    everything = {path.parent.name: read_csv(path) for path in sorted(results.glob("*/frames.csv"))}
    library = {night: _masters(night, rows) for night, rows in everything.items()}
    for night in nights:
        lights = [row for row in everything.get(night, []) if row["kind"] == "light"]
        named: dict[str, list[dict]] = {}
        for row in lights:
            named.setdefault(row["group"], []).append(row)
        for name, rows in sorted(named.items()):
            if len(rows) < 2:
                plan.notes.append(
                    f"{night}/{name}: only one light; at least two exposures of a target are needed, it is left out"
                )
                continue
            plan.groups[night, name] = _group(config, night, name, rows, library, plan)
        if not plan.of_night(night):
            plan.notes.append(_nothing(config, night, everything.get(night, []), results))
    if not plan.groups:
        raise UserError("; ".join(plan.notes) or "nothing to do")
    plan.nights = [night for night in nights if plan.of_night(night)]
    _assign_training(config, plan)
    return plan


def write_plan(config: dict, plan: Plan) -> None:
    """Write the small files the jobs depend on; unchanged ones keep their time stamp."""
    from n2n.formats.frametable import FRAME_COLUMNS

    results = Path(config["results"])
    for group in plan.groups.values():
        folder = results / group.night / group.name
        for chunk, rows in group.chunks.items():
            write_text_if_changed(folder / "chunks" / f"{chunk}.csv", csv_text(rows, list(FRAME_COLUMNS)))
        write_text_if_changed(folder / "calibration.json", json.dumps(group.calibration, indent=1) + "\n")
    for master in plan.masters.values():
        write_text_if_changed(
            results / "masters" / f"{master.key}.csv", csv_text(list(master.rows), list(FRAME_COLUMNS))
        )


def _nothing(config, night: str, rows: list[dict], results: Path) -> str:
    quarantined = results / night / "quarantine.csv"
    refused = read_csv(quarantined) if quarantined.is_file() else []
    place = f"{config['raw']}/{night}"
    if not rows and not refused:
        return f"night {night}: no FITS file in {place}; put .fits, .fit, .fts (or .gz, .fz of them) there"
    if any(row["kind"] == "light" for row in rows):
        return f"night {night}: no target with at least two exposures"
    text = f"night {night}: no lights among {len(rows) + len(refused)} files of {place}"
    if refused:
        text += f"; first reason: {refused[0]['path']}: {refused[0]['reason']} (all in {quarantined})"
    return text


def _group(config, night, name, rows, library, plan: Plan) -> Group:
    chunks: dict[str, list[dict]] = {}
    for row in rows:
        chunks.setdefault(f"{int(row['chunk']):03d}", []).append(row)
    reference, counted = [], 0
    for batch in sorted({int(row["batch"]) for row in rows}):
        if counted >= REFERENCE_EXPOSURES:
            break
        inside = [row for row in rows if int(row["batch"]) == batch]
        reference += sorted({f"{int(row['chunk']):03d}" for row in inside})
        counted += len(inside)
    first = rows[0]
    chosen = _calibration(night, first, library, plan)
    if not chosen["dark"]:
        members = [row for chunk in sorted(set(reference)) for row in chunks[chunk]]
        master = _make_master("defects", night, members)
        plan.masters[master.key] = master
        chosen["defects"] = master.key
        chosen["reasons"].append("defects: found from the lights themselves, there being no dark")
    chosen["e_per_adu"] = number(first["e_per_adu"])
    return Group(
        night,
        name,
        dict(sorted(chunks.items())),
        tuple(sorted(set(reference))),
        chosen,
        model_id(config, first) if len(rows) >= config["model"]["min_exposures"] else None,
    )


def _masters(night: str, rows: list[dict]) -> list[Master]:
    """Masters that the calibration frames of a night allow."""
    sets: dict[tuple, list[dict]] = {}
    for row in rows:
        if row["kind"] not in ("bias", "dark", "flat", "darkflat"):
            continue
        key = [row["kind"], *(row[column] for column in SETUP)]
        if row["kind"] in ("dark", "darkflat"):
            key.append(round(number(row["exptime_s"], 0.0), 2))
        if row["kind"] == "flat":
            key += [row["filter"], row["filter_bw_nm"]]
        sets.setdefault(tuple(key), []).append(row)
    made = []
    for key, rows in sets.items():
        for members in _by_temperature(rows) if key[0] in ("dark", "darkflat") else [rows]:
            if len(members) >= MIN_CALIBRATION:
                made.append(_make_master(key[0], night, members))
    zeros = [master for master in made if master.kind in ("darkflat", "bias", "dark")]
    result = []
    for master in made:
        if master.kind == "flat":
            zero = _zero_for_flat(master, zeros)
            master = _make_master("flat", night, list(master.rows), zero)
        result.append(master)
    return result


def _by_temperature(rows: list[dict]) -> list[list[dict]]:
    """Split darks into sets that span at most `MAX_DEGREES`; those of unknown temperature stay together."""
    degrees = {row["path"]: number(row["temperature_c"]) for row in rows}
    starts: list[float] = []
    for value in sorted(value for value in degrees.values() if value is not None):
        if not starts or value - starts[-1] > MAX_DEGREES:
            starts.append(value)
    sets: dict[float | None, list[dict]] = {}
    for row in rows:
        value = degrees[row["path"]]
        start = None if value is None else max(start for start in starts if start <= value)
        sets.setdefault(start, []).append(row)
    return list(sets.values())


def _make_master(kind: str, night: str, rows: list[dict], zero: str | None = None) -> Master:
    digest = hashlib.sha256("".join([*(row["sha256"] for row in rows), zero or ""]).encode()).hexdigest()[:10]
    first = rows[0]
    words = [kind, first["camera"], first["filter"] if kind in ("flat", "defects") else "", night, digest]
    return Master("-".join(filter(None, map(_safe, words))), kind, night, tuple(rows), zero)


def _zero_for_flat(flat: Master, zeros: list[Master]) -> str | None:
    """Dark of the flat's own exposure, else the bias, both of the same set-up."""
    first = flat.rows[0]
    for kinds in (("darkflat", "dark"), ("bias",)):
        for zero in zeros:
            fits = zero.kind in kinds and _same_setup(zero.rows[0], first)
            if fits and (zero.kind == "bias" or _same_exposure(zero.rows[0], first)):
                return zero.key
    return None


def _calibration(night: str, light: dict, library: dict[str, list[Master]], plan: Plan) -> dict:
    """Choose masters for a group, same night first, and say why."""
    chosen: dict = {"bias": None, "dark": None, "flat": None, "defects": None, "reasons": []}
    order = sorted(library)
    near = (
        sorted(order, key=lambda other: (abs(order.index(other) - order.index(night)), other))
        if night in order
        else order
    )
    for kind in ("dark", "bias", "flat"):
        refused = f"{kind}: none of this camera and setting"
        for other in near:
            for master in library[other]:
                if master.kind != kind or not _same_setup(master.rows[0], light):
                    continue
                problem = _problem(kind, master.rows[0], light)
                if problem:
                    refused = f"{kind}: {problem}"
                elif chosen[kind] is None:
                    chosen[kind] = master.key
                    where = "the same night" if other == night else f"night {other}"
                    chosen["reasons"].append(f"{kind}: {len(master.rows)} frames of {where} ({master.key})")
                    _need(master, library, plan)
        if chosen[kind] is None:
            chosen["reasons"].append(refused)
    return chosen


def _need(master: Master, library: dict[str, list[Master]], plan: Plan) -> None:
    plan.masters[master.key] = master
    if master.zero:
        zero = next(other for other in library[master.night] if other.key == master.zero)
        plan.masters[zero.key] = zero


def _problem(kind: str, master: dict, light: dict) -> str:
    if kind == "dark":
        if not _same_exposure(master, light):
            return f"there are darks of {master['exptime_s']} s, the lights have {light['exptime_s']} s"
        ours, theirs = number(light["temperature_c"]), number(master["temperature_c"])
        if ours is not None and theirs is not None and abs(ours - theirs) > MAX_DEGREES:
            return f"the darks were taken at {theirs:.1f} C, the lights at {ours:.1f} C"
    if kind == "flat" and (master["filter"], master["filter_bw_nm"]) != (light["filter"], light["filter_bw_nm"]):
        return f"none through {light['filter']}"
    return ""


def _same_setup(one: dict, other: dict) -> bool:
    return all(one[column] == other[column] for column in SETUP)


def _same_exposure(one: dict, other: dict) -> bool:
    a, b = number(one["exptime_s"], 0.0), number(other["exptime_s"], 0.0)
    return abs(a - b) <= max(0.05, 0.01 * max(a, b))


def model_id(config: dict, light: dict) -> str:
    """``<name>/<id>`` of the model for a set-up: camera, filter, binning, gain, and all that training depends on."""
    band = light["filter"] + (f"{light['filter_bw_nm']}nm" if light["filter_bw_nm"] else "")
    setup = [light["camera"], band, light["binning"], light["gain_setting"]]
    content = json.dumps({"setup": setup, "train": config["train"], "recipe": RECIPES["train"]}, sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return f"{_safe(light['camera']) or 'camera'}_{_safe(band)}/{digest}"


def model_state(config: dict, model: str) -> str:
    """``ready``, ``refused`` (training was tried and had too little) or ``missing``."""
    path = Path(config["models"]) / model / "model.json"
    if not path.is_file():
        return "missing"
    return "refused" if read_json(path).get("refused") else "ready"


def _assign_training(config: dict, plan: Plan) -> None:
    """Choose the groups each missing model trains on: those of the earliest night that has enough exposures.

    Raises
    ------
    UserError
        When `model.mode` is reuse and a model is missing.
    """
    mode = config["model"]["mode"]
    for model in sorted({group.model for group in plan.groups.values() if group.model}):
        state = model_state(config, model)
        path = Path(config["models"]) / model / "model.json"
        if state == "ready" and mode != "retrain":
            continue
        if mode == "reuse" and state == "missing":
            wanted = next(f"{g.night}/{g.name}" for g in plan.groups.values() if g.model == model)
            raise UserError(
                f"model.mode is reuse, but {path}, needed for {wanted}, does not exist; "
                "set model.mode: auto to train it, or copy the model there"
            )
        tried = read_json(path).get("groups", []) if state == "refused" else []
        candidates = [g for g in plan.groups.values() if g.model == model and f"{g.night}/{g.name}" not in tried]
        if mode == "reuse" or not candidates:
            continue
        first = min(group.night for group in candidates)
        plan.training[model] = [(g.night, g.name) for g in candidates if g.night == first]


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() or c in "+.-" else "-" for c in str(text)).strip("-.")

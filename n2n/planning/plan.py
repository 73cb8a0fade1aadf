"""What there is to do: groups, their chunks, calibration and models, from the lists of frames.

Everything is decided from `frames.csv` (append-only) when snakemake reads the workflow, and written to
small files that the jobs depend on. They are rewritten only when their content changes, so that a new
night or a late frame sets off its own jobs and no others.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from n2n.errors import UserError
from n2n.formats.atomic import write_text_if_changed
from n2n.formats.palettes import composites, wanted_palettes
from n2n.formats.tables import csv_text, number, read_csv, read_json
from n2n.formats.treatment import MASTER_KINDS, TREATMENT, set_of
from n2n.planning.library import Library
from n2n.planning.masters import Master, safe
from n2n.planning.names import shortened, shown, why_no_night
from n2n.planning.treatments import samples, treat

# Raised when a stage makes other pixels from the same input; snakemake then runs it again.
RECIPES = {
    "master": 6,
    "vet": 2,
    "measure": 5,
    "reference": 3,
    "register": 6,
    "pairs": 7,
    "stack": 7,
    "train": 6,
    "denoise": 8,
    "frames": 7,
    "inject": 2,
    "assess": 14,
    "colour": 2,
    "report": 7,
    "crate": 1,
    "photo": 1,
    "study": 1,
}
# Settings that say where, when and on what to work: they change no result.
IDLE = {"raw", "results", "models", "nights", "device", "memory_gb", "study", "photos", "palettes"}
IDLE |= {"model.mode", "gates.strict", "denoise.products"}
REFERENCE_EXPOSURES = 8  # later batches do not change the reference once this many lights are there


@dataclass(frozen=True)
class Group:
    """One target through one filter in one night."""

    night: str
    name: str
    chunks: dict[str, list[dict]]
    reference_chunks: tuple[str, ...]
    calibration: dict
    model: str | None
    choice: str  # of calibration, in one line
    vetted: dict[str, list[dict]] = field(default_factory=dict)  # set of masters: exposures it is looked at on

    @property
    def lights(self) -> int:
        """Number of exposures found, accepted or not."""
        return sum(map(len, self.chunks.values()))

    @property
    def pixels(self) -> int:
        """Pixels of an exposure."""
        row = next(row for rows in self.chunks.values() for row in rows)
        return int(row["width"]) * int(row["height"])

    def masters(self, chunks) -> list[str]:
        """Keys of the masters that exposures of some chunks need, and of those the group's gain comes from."""
        rows = [self.calibration, *(row for chunk in chunks for row in self.chunks[chunk])]
        return list(dict.fromkeys(row[kind] for row in rows for kind in MASTER_KINDS if row[kind]))

    def sets(self, chunks) -> list[str]:
        """Sets of masters that exposures of some chunks need, the group's own first."""
        rows = [self.calibration, *(row for chunk in chunks for row in self.chunks[chunk])]
        return [name for name in dict.fromkeys(map(set_of, rows)) if name in self.vetted]


@dataclass
class Plan:
    """All there is to do for the chosen nights."""

    nights: list[str]
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    masters: dict[str, Master] = field(default_factory=dict)
    training: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    composites: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)  # night, target, palette: groups
    notes: list[str] = field(default_factory=list)

    def of_night(self, night: str) -> list[Group]:
        """Groups of a night."""
        return [group for group in self.groups.values() if group.night == night]


def find_nights(
    raw: Path, wanted, results: Path, leave_out: Callable[[str], None] = lambda text: None, literal: bool = True
) -> list[str]:
    """Names of the nights to process.

    Parameters
    ----------
    leave_out : callable
        Receives a line for every night whose name cannot be used (`n2n.planning.names`); the others go on.
    literal : bool
        Whether braces in names mean themselves.

    Raises
    ------
    UserError
        When the raw folder or a named night does not exist, or no night is left.
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
        nights = there
    else:
        nights = list(dict.fromkeys(map(str, wanted if isinstance(wanted, list) else [wanted])))
    for night in nights:
        if night not in known:
            others = ", ".join(map(shown, there)) or "nothing"
            raise UserError(f"night {shown(night)!r} is not in {raw}; there: {others}")
    refused = {night: why for night in nights if (why := why_no_night(night, literal))}
    lines = [f"night {shown(night)} is left out: its name {why}; rename its folder" for night, why in refused.items()]
    if len(refused) == len(nights):
        raise UserError("; ".join(lines) or f"no night to process: nights is empty; there: {', '.join(there)}")
    for line in lines:
        leave_out(line)
    return [night for night in nights if night not in refused]


def make_plan(config: dict, nights: list[str]) -> Plan:
    """Decide what belongs together; reads frames.csv of the nights and of the calibration library.

    Raises
    ------
    UserError
        When no night has anything to stack.
    """
    results = Path(config["results"])
    plan = Plan(nights)
    there = Files(Path(config["raw"]))
    everything = {path.parent.name: read_csv(path) for path in sorted(results.glob("*/frames.csv"))}
    library = Library(everything, there.has, lambda key: (results / "masters" / f"{key}.fits").is_file())
    archived = set()  # nights of which frames are listed that are no longer there
    for night in nights:
        lights = [row for row in everything.get(night, []) if row["kind"] == "light"]
        if lights and not any(map(there.has, everything[night])):
            plan.notes.append(
                f"night {night}: none of its {len(everything[night])} listed frames is in {config['raw']}/{night} any "
                "more; its products stay as they are"
            )
            archived.add(night)
            continue
        named: dict[str, list[dict]] = {}
        for row in lights:
            named.setdefault(row["group"], []).append(row)
        for name, listed in sorted(named.items()):
            rows = [row for row in listed if there.has(row)]
            if note := _missing(len(listed), len(rows)):
                plan.notes.append(f"{night}/{name}: {note}")
                archived.add(night)
            elif len(rows) < 2:
                plan.notes.append(
                    f"{night}/{name}: only one light; at least two exposures of a target are needed, it is left out"
                )
            if len(rows) >= 2:
                plan.groups[night, name] = _group(config, night, name, listed, rows, library, plan)
        if not plan.of_night(night) and night not in archived:
            plan.notes.append(_nothing(config, night, everything.get(night, []), results))
    if not plan.groups and len(archived) < len(nights):
        raise UserError("; ".join(plan.notes) or "nothing to do")
    plan.nights = [night for night in nights if plan.of_night(night)]
    plan.composites = composites(plan.groups.values(), wanted_palettes(config["palettes"]))
    _assign_training(config, plan)
    return plan


class Files:
    """Which raw files are there: every folder is listed once."""

    def __init__(self, raw: Path):
        self.raw, self.names = raw, {}

    def has(self, row: dict) -> bool:
        """Whether the file of a row of frames.csv is there."""
        folder, _, name = row["path"].rpartition("/")
        if folder not in self.names:
            try:
                with os.scandir(self.raw / folder) as entries:
                    self.names[folder] = {entry.name for entry in entries}
            except OSError:
                self.names[folder] = set()
        return name in self.names[folder]


def _missing(listed: int, there: int) -> str:
    """What to say of exposures that are listed but no longer there; empty where all are."""
    if there == listed:
        return ""
    if there == 0:
        return f"none of its {listed} listed exposures is there any more; its products stay as they are"
    gone = f"{listed - there} of {listed} listed exposures {'is' if listed - there == 1 else 'are'} not there any more"
    return f"{gone}; left out" + ("; one is too few, its products stay as they are" if there == 1 else "")


def write_plan(config: dict, plan: Plan) -> None:
    """Write the small files the jobs depend on; unchanged ones keep their time stamp.

    A choice of calibration that is new or has changed is added to the plan's notes, so that a run which has nothing
    new to do says nothing about it.
    """
    from n2n.formats.frametable import FRAME_COLUMNS

    results, columns = Path(config["results"]), [*FRAME_COLUMNS, *TREATMENT]
    for group in plan.groups.values():
        folder = results / group.night / group.name
        left_out = []
        for chunk, rows in group.chunks.items():
            if write_text_if_changed(folder / "chunks" / f"{chunk}.csv", csv_text(rows, columns)):
                left_out += [row["left_out"] for row in rows if row["left_out"]]
        if left_out:
            exposures = "1 exposure is" if len(left_out) == 1 else f"{len(left_out)} exposures are"
            plan.notes.append(f"{group.night}/{group.name}: {exposures} left out: {left_out[0]}")
        planned = {row["path"]: row for rows in group.chunks.values() for row in rows}
        for name, rows in group.vetted.items():
            path = folder / "vetting" / f"{name}.csv"
            if not _still_good(path, planned):
                write_text_if_changed(path, csv_text(rows, columns))
        if write_text_if_changed(folder / "calibration.json", json.dumps(group.calibration, indent=1) + "\n"):
            plan.notes.append(f"{group.night}/{group.name}: {group.choice}")
    settings = json.dumps(acting(config), indent=1, sort_keys=True) + "\n"
    for night in plan.nights:
        write_text_if_changed(results / night / "settings.json", settings)
    for master in plan.masters.values():
        write_text_if_changed(
            results / "masters" / f"{master.key}.csv", csv_text(list(master.rows), list(FRAME_COLUMNS))
        )


def _still_good(path: Path, planned: dict[str, dict]) -> bool:
    """Whether the exposures that masters were looked at on say the same as ever; some may have gone since."""
    before = read_csv(path) if path.is_file() else []
    left = [row for row in before if row["path"] in planned]
    return bool(left) and all(row == {key: planned[row["path"]].get(key, "") for key in row} for row in left)


def acting(part: dict, prefix: str = "") -> dict:
    """The settings that shape results."""
    return {
        key: acting(value, f"{prefix}{key}.") if isinstance(value, dict) and key != "overrides" else value
        for key, value in part.items()
        if f"{prefix}{key}" not in IDLE
    }


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


def _group(config, night, name, listed, rows, library, plan: Plan) -> Group:
    reference, counted = set(), 0
    for batch in sorted({int(row["batch"]) for row in listed}):
        if counted >= REFERENCE_EXPOSURES:
            break
        inside = [row for row in listed if int(row["batch"]) == batch]
        reference |= {int(row["chunk"]) for row in inside}
        counted += len(inside)
    there = {int(row["chunk"]) for row in rows}
    reference = reference & there or there  # a chunk of which nothing is left tells nothing
    first = [row for chunk in sorted(reference) for row in listed if int(row["chunk"]) == chunk]
    treated = treat(night, rows, first, library)
    first = [row for row in first if library.there(row)]
    plan.masters |= treated.masters
    calibration = dict.fromkeys(("bias", "dark", "flat", "defects"))
    calibration |= {decision.kind: decision.master.key for decision in treated.decisions if decision.master}
    calibration |= {
        "dark_scale": treated.scale,
        "e_per_adu": number(first[0]["e_per_adu"]),
        "e_per_adu_by_user": _by_user(first[0], "e_per_adu") or _by_unit(first[0]),
        "read_noise_e": number(first[0]["read_noise_e"]),
        "reasons": [decision.sentence for decision in treated.decisions],
    }
    chunks: dict[str, list[dict]] = {}
    for row in treated.rows:
        chunks.setdefault(f"{int(row['chunk']):03d}", []).append(row)
    return Group(
        night,
        name,
        dict(sorted(chunks.items())),
        tuple(f"{chunk:03d}" for chunk in sorted(reference)),
        calibration,
        model_id(config, rows[0]) if len(rows) >= config["model"]["min_exposures"] else None,
        _choice(treated),
        samples(treated.rows),
    )


def _choice(treated) -> str:
    """The masters of most exposures in one line, and how many have others."""
    sets = [set_of(row) for row in treated.rows if not row["left_out"]]
    others = len(sets) - max(map(sets.count, set(sets)), default=0)
    told = [decision.brief for decision in treated.decisions]
    told += [f"{others} exposures have masters of their own"] if others else []
    return "; ".join(told + ([treated.remedy] if treated.remedy else []))


def _by_user(row: dict, field: str) -> bool:
    """Whether a field of the row comes from `overrides`, as ingest notes it."""
    stated = [note for note in row["notes"].split("; ") if note.startswith("stated by overrides:")]
    return any(field in note.split() for note in stated)


def _by_unit(row: dict) -> str | bool:
    """What binds the gain where the file itself counts electrons, as headers note it; False where it does not."""
    return "unit of the file" if "the file's unit is " in row["notes"] else False


def model_id(config: dict, light: dict) -> str:
    """``<name>/<id>`` of the model for a set-up: camera, filter, binning, gain, and all that training depends on."""
    band = light["filter"] + (f"{light['filter_bw_nm']}nm" if light["filter_bw_nm"] else "")
    setup = [light["camera"], band, light["binning"], light["gain_setting"]]
    content = json.dumps({"setup": setup, "train": config["train"], "recipe": RECIPES["train"]}, sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return f"{shortened(safe(light['camera']), 100) or 'camera'}_{shortened(safe(band), 60)}/{digest}"


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

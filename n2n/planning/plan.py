"""What there is to do: groups, their chunks, calibration and models, from the lists of frames.

Everything is decided from `frames.csv` (append-only) when snakemake reads the workflow, and written to
small files that the jobs depend on (`n2n.planning.files`). They are rewritten only when their content changes, so
that a new night or a late frame sets off its own jobs and no others.
"""

from pathlib import Path

from n2n.errors import UserError
from n2n.formats.frametable import put_back
from n2n.formats.palettes import composites, wanted_palettes
from n2n.formats.tables import number, read_csv
from n2n.formats.treatment import set_of
from n2n.planning.files import RawFiles
from n2n.planning.library import Library
from n2n.planning.models import assign_training, model_id
from n2n.planning.nights import why_nothing
from n2n.planning.planned import Group, Plan
from n2n.planning.treatments import Treated, samples, treat

REFERENCE_EXPOSURES = 8  # later batches do not change the reference once this many lights are there
FEWEST = 2  # exposures of a group


def make_plan(config: dict, nights: list[str]) -> Plan:
    """Decide what belongs together; reads frames.csv of the nights and of the calibration library.

    Raises
    ------
    UserError
        When no night has anything to stack.
    """
    results = Path(config["results"])
    plan, there = Plan(nights), RawFiles(Path(config["raw"]))
    tables = sorted(results.glob("*/frames.csv"))
    # Those of the chosen nights ingest has looked at; masters may come from all others.
    plan.notes += filter(None, [put_back(path) for path in tables if path.parent.name not in nights])
    everything = {path.parent.name: read_csv(path) for path in tables}
    library = Library(everything, there.has, lambda key: (results / "masters" / f"{key}.fits").is_file())
    all_archived = True
    for night in nights:
        frames = everything.get(night, [])
        archived = _plan_night(config, plan, night, frames, library)
        all_archived &= archived
        if not plan.of_night(night) and not archived:
            plan.notes.append(why_nothing(config["raw"], night, frames, results))
    if not plan.groups and not all_archived:
        raise UserError("; ".join(plan.notes) or "nothing to do")
    plan.nights = [night for night in nights if plan.of_night(night)]
    plan.composites = composites(plan.groups.values(), wanted_palettes(config["palettes"]))
    plan.training = assign_training(config, list(plan.groups.values()))
    return plan


def _plan_night(config: dict, plan: Plan, night: str, frames: list[dict], library: Library) -> bool:
    """Add a night's groups to the plan; returns whether frames are listed that are no longer there."""
    lights = [row for row in frames if row["kind"] == "light"]
    if lights and not any(map(library.there, frames)):
        plan.notes.append(
            f"night {night}: none of its {len(frames)} listed frames is in {config['raw']}/{night} any "
            "more; its products stay as they are"
        )
        return True
    named: dict[str, list[dict]] = {}
    for row in lights:
        named.setdefault(row["group"], []).append(row)
    archived = False
    for name, listed in sorted(named.items()):
        rows = [row for row in listed if library.there(row)]
        if note := _missing(len(listed), len(rows)):
            plan.notes.append(f"{night}/{name}: {note}")
            archived = True
        elif len(rows) < FEWEST:
            plan.notes.append(
                f"{night}/{name}: only one light; at least two exposures of a target are needed, it is left out"
            )
        if len(rows) >= FEWEST:
            model = model_id(config, rows[0]) if len(rows) >= config["model"]["min_exposures"] else None
            plan.groups[night, name] = _group(night, name, listed, rows, library, model, plan)
    return archived


def _missing(listed: int, there: int) -> str:
    """What to say of exposures that are listed but no longer there; empty where all are."""
    if there == listed:
        return ""
    if there == 0:
        return f"none of its {listed} listed exposures is there any more; its products stay as they are"
    gone = f"{listed - there} of {listed} listed exposures {'is' if listed - there == 1 else 'are'} not there any more"
    return f"{gone}; left out" + ("; one is too few, its products stay as they are" if there == 1 else "")


def _group(
    night: str, name: str, listed: list[dict], rows: list[dict], library: Library, model: str | None, plan: Plan
) -> Group:
    """A group, from the exposures listed and those of them that are there; its masters are added to the plan."""
    reference = _reference_chunks(listed, rows)
    first = [row for chunk in reference for row in listed if int(row["chunk"]) == chunk]
    treated = treat(night, rows, first, library)
    plan.masters |= treated.masters
    chunks: dict[str, list[dict]] = {}
    for row in treated.rows:
        chunks.setdefault(_chunk(row["chunk"]), []).append(row)
    return Group(
        night,
        name,
        dict(sorted(chunks.items())),
        tuple(map(_chunk, reference)),
        _calibration(treated, next(filter(library.there, first))),
        model,
        _choice(treated),
        samples(treated.rows),
    )


def _chunk(number_: int | str) -> str:
    """A chunk as files name it."""
    return f"{int(number_):03d}"


def _reference_chunks(listed: list[dict], rows: list[dict]) -> list[int]:
    """Chunks the reference is chosen from: those of whole batches, until there are exposures enough."""
    chunks, counted = set(), 0
    for batch in sorted({int(row["batch"]) for row in listed}):
        if counted >= REFERENCE_EXPOSURES:
            break
        inside = [row for row in listed if int(row["batch"]) == batch]
        chunks |= {int(row["chunk"]) for row in inside}
        counted += len(inside)
    there = {int(row["chunk"]) for row in rows}
    return sorted(chunks & there or there)  # a chunk of which nothing is left tells nothing


def _calibration(treated: Treated, first: dict) -> dict:
    """Masters of most exposures, and what the header of the first says of the gain, for calibration.json."""
    calibration = dict.fromkeys(("bias", "dark", "flat", "defects"))
    calibration |= {decision.kind: decision.master.key for decision in treated.decisions if decision.master}
    return calibration | {
        "dark_scale": treated.scale,
        "e_per_adu": number(first["e_per_adu"]),
        "e_per_adu_by_user": _by_user(first, "e_per_adu") or _by_unit(first),
        "reasons": [decision.sentence for decision in treated.decisions],
    }


def _choice(treated: Treated) -> str:
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

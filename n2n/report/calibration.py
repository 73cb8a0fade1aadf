"""What is told of a group's calibration: the masters of most exposures, of the others, and what `vet` found."""

from collections import Counter
from pathlib import Path

from n2n.formats.tables import read_json
from n2n.formats.treatment import set_of


def calibration_of(calibration: Path | None, vetted: list[Path], frames: list[dict]) -> list[str]:
    """Sentences for the report, ``kind: text`` each.

    Parameters
    ----------
    calibration : Path or None
        calibration.json of the group; without it nothing is told.
    vetted : list of Path
        What `n2n vet` wrote.
    frames : list of dict
        The exposures used, with the masters of each.
    """
    if calibration is None:
        return []
    group = read_json(calibration, "reasons")
    usual, said = set_of(group), list(group["reasons"])
    others = Counter(set_of(frame) for frame in frames) if usual else Counter()
    for found in sorted(
        (read_json(path, "set", "refused", "notes") for path in vetted), key=lambda found: found["set"] != usual
    ):
        sentences = [*found["refused"], *found["notes"]]
        if found["set"] == usual:
            refused = {sentence.partition(":")[0] for sentence in found["refused"]}
            said = [sentence for sentence in said if sentence.partition(":")[0] not in refused] + sentences
        elif count := others[found["set"]]:
            frame = next(frame for frame in frames if set_of(frame) == found["set"])
            keys = ", ".join(str(frame[kind]) for kind in ("dark", "bias", "flat") if frame.get(kind))
            said.append(f"others: {count} frames of the stack have masters of their own: {keys}")
            said += sentences
    return said

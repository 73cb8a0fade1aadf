"""Doubts about a claim that passes every gate: what its held-out exposures cannot see. Each makes PASS a WARN."""

from n2n.fidelity.gates.detector import is_found
from n2n.formats.done import REGISTERED
from n2n.group.group import Group
from n2n.group.mastered import hidden_share
from n2n.group.shared import SharedError

STILL = 0.1  # of a detector's pattern that all exposures have at one place of the sky; 8 dithers leave 0.02 and less


def doubts_of(group: Group, shared: SharedError, untrained: str, held_out: int) -> list[str]:
    """Why a claim proves less than it says, a clause each; none where it stands.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    shared : SharedError
        What the detector's pattern puts into the stack.
    untrained : str
        Why no network was trained on the group; empty when one was.
    held_out : int
        Exposures that judge.
    """
    doubts = []
    if is_found(shared):
        doubts.append(
            f"the detector's own pattern is {shared.value:.1%} of the stack's variance, and the held-out exposures "
            "have it, too: what looks like structure may be of the detector; dither, and take more calibration frames"
        )
    if is_unseen(group):
        doubts.append(
            "the telescope was hardly moved between the exposures, and neither dark nor bias was subtracted: the "
            "detector's own pattern is at one place in all of them, the held-out ones, too, so that it passes for "
            "sky and the gain may be less; dither, and take darks"
        )
    if untrained:
        doubts.append(
            f"{untrained}: denoised by the network that comes with n2n, not trained on them; "
            f"{held_out} held-out exposures prove little"
        )
    return doubts


def is_unseen(group: Group) -> bool:
    """Whether the detector's pattern is in every exposure at one place of the sky, and nothing was taken off it.

    Exposures that another program registered do not say where on the detector they were; nothing is said of them.
    """
    calibrated = any(
        one.row.get("dark") or one.row.get("bias") or set("bd") & set(one.row.get("done") or "")
        for one in group.exposures
    )
    registered = any(one.stage == REGISTERED for one in group.exposures)
    return not calibrated and not registered and hidden_share(group) > STILL

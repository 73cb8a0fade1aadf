"""The library of calibration frames of all nights: which masters a group of lights takes, and why.

A group takes the nearest night's master that fits, and says why it took it, or why it took none: nothing is ever
refused in silence. Which masters there are and what fits is told by `n2n.planning.masters`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from n2n.formats.tables import number
from n2n.planning import setups
from n2n.planning.masters import (
    MIN_FRAMES,
    Master,
    enough,
    kept,
    make_master,
    masters_of,
    misfit,
    reduced,
    turn_between,
    zero_free,
)

# A dark's noise, and whatever in it does not grow with time (glow of the amplifier), grow with the factor.
MAX_DARK_SCALE = 1.5
ZEROS = ("dark", "bias")

DONE = "already"  # begins the reason where another program has done it


@dataclass(frozen=True)
class Decision:
    """What was decided about one kind of master, and why."""

    kind: str
    master: Master | None
    why: str

    @property
    def sentence(self) -> str:
        """For calibration.json and the report: the reason, with the master's key."""
        return f"{self.kind}: {self.why}" + (f" ({self.master.key})" if self.master else "")

    @property
    def brief(self) -> str:
        """For the terminal."""
        if self.master or self.why.startswith(DONE):
            return f"{self.kind} {self.why}"
        return f"{self.kind} refused: {self.why}"


class Library:
    """All masters that the calibration frames of all nights allow.

    Parameters
    ----------
    nights : dict
        The rows of frames.csv by night.
    there : callable, optional
        Whether the raw file of a row is still there. Frames that are gone make no master; one that was made from them
        may still be used.
    made : callable, optional
        Whether the file of a master, by its key, is there already.
    """

    def __init__(
        self,
        nights: dict[str, list[dict]],
        there: Callable[[dict], bool] = lambda row: True,
        made: Callable[[str], bool] = lambda key: False,
    ):
        names, self.nights = sorted(nights), nights
        try:
            self.day = {name: date.fromisoformat(name[:10]).toordinal() for name in names}
        except ValueError:  # folders may have any name
            self.day = {name: place for place, name in enumerate(names)}
        self.there, self.made = there, made
        self.gone: dict[str, str] = {}  # kind: what to say of frames that are listed but not there
        self.masters: dict[str, Master] = {}
        self._sorted: dict[tuple[str, str], list[Master]] = {}
        found = [master for night in names for master in masters_of(night, nights[night])]
        zeros = [usable for master in found if master.kind != "flat" if (usable := self._usable(master))]
        of_night: dict[str, list[Master]] = {}
        for zero in zeros:
            of_night.setdefault(zero.night, []).append(zero)
        for master in found:
            if master.kind == "flat":
                zero = self._zero_for(master, of_night)
                master = self._usable(master, zero and zero.key)
                if master:
                    self.masters[master.key] = master
        self.masters |= {master.key: master for master in zeros}

    def _usable(self, master: Master, zero: str | None = None) -> Master | None:
        """The master as it can be made, or as it is there already; None where neither is."""
        whole = make_master(master.kind, master.night, list(master.rows), zero)
        present = [row for row in master.rows if self.there(row)]
        if len(present) == len(master.rows):
            return whole
        if len(present) < MIN_FRAMES and self.made(whole.key):
            return kept(whole)
        if present:
            return make_master(master.kind, master.night, present, zero)
        self.gone[master.kind] = f"the {len(master.rows)} frames listed in night {master.night} are not there any more"
        return None

    def choose(self, night: str, light: dict) -> tuple[list[Decision], float]:
        """Choose the masters for a group of lights.

        Parameters
        ----------
        night : str
            The lights' night; its own masters come first, then those of the nearest night.
        light : dict
            Row of frames.csv that stands for the group (`typical`).

        Returns
        -------
        decisions : list of Decision
            Dark, bias and flat, in this order.
        dark_scale : float
            Factor for (dark - bias); 1 where the dark is of the lights' own exposure, or where there is none.
        """
        done = light.get("done", "")
        dark, bias, flat = (self._fitting(kind, night, light) for kind in ("dark", "bias", "flat"))
        if "b" in done or "d" in done:
            dark, bias = (
                Decision(kind, None, f"{DONE} subtracted, by the lights' own headers (done: {done})") for kind in ZEROS
            )
        if "f" in done:
            flat = Decision("flat", None, f"{DONE} divided out, by the lights' own headers (done: {done})")
        scale = 1.0
        if dark.master:
            bias = remark(bias, "not subtracted: the dark contains it")
        elif "b" not in done and "d" not in done:
            dark, scale = self._scaled_dark(night, light, bias, dark)
            if dark.master:
                bias = remark(bias, "to scale the dark")
        if flat.master:
            zero = self.masters.get(flat.master.zero)
            if zero_free(flat.master):
                flat = remark(flat, "zero subtracted before, by their own headers")
            elif zero is None:
                flat = remark(flat, "nothing subtracted from them: no bias, no dark of their exposure")
            elif zero.night != flat.master.night:
                flat = remark(flat, f"their {zero.kind} of night {zero.night}")
        return [dark, bias, flat], scale

    def needed(self, decisions: list[Decision]) -> dict[str, Master]:
        """Masters to make for these decisions, by key: the chosen ones and what is subtracted from flats."""
        chosen = [decision.master for decision in decisions if decision.master]
        zeros = [self.masters[master.zero] for master in chosen if master.zero]
        return {master.key: master for master in chosen + zeros}

    def _near(self, masters, night: str) -> list[Master]:
        """Masters of the same night first, then those of the nearest; the earlier of two equally near."""
        day = self.day[night]
        return sorted(masters, key=lambda master: (master.night != night, abs(self.day[master.night] - day)))

    def of_kind(self, kind: str, night: str) -> list[Master]:
        """All masters of a kind, those of the nearest night first."""
        if (kind, night) not in self._sorted:
            alike = [master for master in self.masters.values() if master.kind == kind]
            self._sorted[kind, night] = self._near(alike, night)
        return self._sorted[kind, night]

    def _fitting(self, kind: str, night: str, light: dict) -> Decision:
        """The nearest master without a misfit; among those of one night the one whose fit is best known."""
        candidates = self.of_kind(kind, night)
        fitting = [master for master in candidates if not misfit(master, light)]
        if fitting:
            nearest = [master for master in fitting if master.night == fitting[0].night]
            return _chosen(min(nearest, key=lambda master: _distance(master, light)), night, light)
        if not candidates:
            return Decision(kind, None, self.gone.get(kind, "there is none"))
        # What nearly fitted is what its owner will ask about.
        _, why = max((misfit(master, light) for master in candidates), key=lambda found: found[0])
        return Decision(kind, None, why)

    def _scaled_dark(self, night: str, light: dict, bias: Decision, refused: Decision) -> tuple[Decision, float]:
        """A dark of another exposure: the longest of the nearest night, where a bias tells what grows with time."""
        alike = [m for m in self.of_kind("dark", night) if not misfit(m, light, any_exposure=True) and m.exposure > 0]
        if not alike:
            return refused, 1.0
        _, other_exposure = misfit(alike[0], light)
        if not bias.master:
            return Decision("dark", None, f"{other_exposure}, and there is no bias to scale them with"), 1.0
        exposure = number(light["exptime_s"], 0.0)
        usable = [master for master in alike if exposure / master.exposure <= MAX_DARK_SCALE]
        if not usable:
            factor = exposure / max(master.exposure for master in alike)
            why = f"{other_exposure}; scaled by {factor:.3g}, more than {MAX_DARK_SCALE}, they bring too much noise"
            return Decision("dark", None, why), 1.0
        nearest = [master for master in usable if master.night == usable[0].night]
        master = max(nearest, key=lambda master: master.exposure)
        scale = exposure / master.exposure
        what = f"of {master.exposure:g} s, scaled by {scale:.3g}, there being no master of {exposure:g} s"
        return remark(_chosen(master, night, light), what), scale

    def _zero_for(self, flat: Master, zeros: dict[str, list[Master]]) -> Master | None:
        """Dark of the flat's own exposure, else the bias, of the same set-up; its own night's first."""
        if zero_free(flat):
            return None
        for night in self._nights_near(flat.night):
            alike = [
                zero
                for zero in zeros.get(night, ())
                if enough(zero) and not reduced(zero.facts) and not setups.differences(zero.facts, flat.facts, "bias")
            ]
            for kinds in (("darkflat", "dark"), ("bias",)):
                for zero in alike:
                    times = (zero.rows[0]["exptime_s"], flat.rows[0]["exptime_s"])
                    if zero.kind in kinds and (zero.kind == "bias" or setups.same_exposure(*times)):
                        return zero
        return None

    def _nights_near(self, night: str) -> list[str]:
        """All nights, the nearest first; of two equally near the earlier."""
        day = self.day[night]
        return sorted(self.day, key=lambda other: (other != night, abs(self.day[other] - day)))


def _chosen(master: Master, night: str, light: dict) -> Decision:
    where = "the same night" if master.night == night else f"night {master.night}"
    decision = Decision(master.kind, master, f"{len(master.rows)} frames of {where}")
    if master.kind == "dark":
        degrees = (("their", master.temperature), ("the lights'", number(light["temperature_c"])))
        unknown = " and ".join(whose for whose, value in degrees if value is None)
        if unknown:
            decision = remark(decision, f"{unknown} temperature unknown")
        spread = [value for row in master.rows if (value := number(row["temperature_c"])) is not None]
        if spread and max(spread) - min(spread) > setups.MAX_DEGREES:
            decision = remark(decision, f"which drift from {min(spread):g} to {max(spread):g} C")
    if master.kind == "flat":
        angles = (("their", master.facts["rotator_deg"]), ("the lights'", light["rotator_deg"]))
        unknown = [whose for whose, angle in angles if angle == ""]
        if len(unknown) == 1:  # where neither is known there is no rotator
            decision = remark(decision, f"{unknown[0]} rotator angle unknown")
    for text in setups.remarks(master.facts, light, master.kind):
        decision = remark(decision, text)
    if master.kept:
        decision = remark(decision, "made before: their raw files are not there any more")
    return decision


def remark(decision: Decision, text: str) -> Decision:
    """The same decision, with something to say about it; one that took no master stays as it is."""
    return Decision(decision.kind, decision.master, f"{decision.why}, {text}") if decision.master else decision


def _distance(master: Master, light: dict) -> float:
    """How far a fitting master is from the light in what may differ; what is not known comes last."""
    if master.kind == "flat":
        turned = turn_between(master.facts, light)
        return float("inf") if turned is None else turned
    if master.kind == "dark":
        ours, theirs = number(light["temperature_c"]), master.temperature
        return float("inf") if ours is None or theirs is None else abs(ours - theirs)
    return -len(master.rows)

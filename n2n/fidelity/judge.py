"""Judge a candidate on exposures nobody trained on, and choose what is shipped."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from n2n.fidelity import gates
from n2n.fidelity.changed import Changed, changed_sources, cut_outs
from n2n.fidelity.claim import Claim, claimed
from n2n.fidelity.doubts import doubts_of
from n2n.fidelity.errors import single_exposure
from n2n.fidelity.gates.flux import star_flux
from n2n.fidelity.gates.gain import WHOLE
from n2n.fidelity.gates.gate import FAIL, PASS, Verdict, overall
from n2n.fidelity.ground import Ground, ground_of, sky_noise
from n2n.fidelity.images import Images, Shipped
from n2n.fidelity.proof import unproven
from n2n.fidelity.zones import BRIGHTNESSES, brightness_class
from n2n.formats import flags as bits
from n2n.group.group import Group
from n2n.group.mastered import hidden_of
from n2n.group.shared import shared_in_stack
from n2n.group.split import halves_of
from n2n.nets.tiles import overlaps


@dataclass(frozen=True)
class Candidate:
    """What the network made of a group.

    Attributes
    ----------
    read : callable
        ``read(name)``: what it made of A and B ("judged"), of all exposures ("full"), and of one held-out exposure
        ("single"); ndarrays of shape (h, w), sky subtracted. Large frames fill the memory: none is read before it is
        needed.
    held_out : int ndarray
        Exposures of C.
    single : int
        Which exposure "single" is.
    tile, overlap : int
        How the network was applied, pixels.
    untrained : str
        Why no network was trained on the group; empty when one was.
    """

    read: Callable[[str], np.ndarray]
    held_out: np.ndarray
    single: int
    tile: int
    overlap: int
    untrained: str = ""


@dataclass(frozen=True)
class Judgement:
    """What is shipped, and why.

    Attributes
    ----------
    image, variance, mask : ndarray, shape (h, w)
        With the level of the sky.
    proctype : (str, str)
        Value and comment of the header's PROCTYPE.
    facts : dict
        What assessment.json holds of it.
    changed : Changed
        Sources that the denoiser changed.
    cut_outs : ndarray, shape (3, n, side, side)
        Those changed most, in the stack of A and B, in what was made of it, and in the held-out exposures.
    """

    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    proctype: tuple[str, str]
    facts: dict
    changed: Changed
    cut_outs: np.ndarray


def judge(group: Group, stack: dict, candidate: Candidate, injected: dict, settings) -> Judgement:
    """Measure the gain, run the gates, and choose what is shipped.

    Images of large frames fill the memory: none is read before it is needed, and none kept longer.

    Parameters
    ----------
    group : Group
        The exposures and what is known of them.
    stack : dict of ndarray, shape (h, w)
        IMAGE, VAR and MASK of stack.fits.
    candidate : Candidate
        What the network made of the group.
    injected : dict
        inject.json; empty where there is none.
    settings : namespace
        Those of the section `gates`.
    """
    ground, judged = ground_of(group, candidate.held_out), candidate.read("judged")
    sky, full_depth = np.float32(group.facts.sky), group.depth()
    full = candidate.read("full")
    shared = shared_in_stack(group, ground.rest)
    # What is measured on the detector holds the masters' noise; where nothing moved only the masters tell.
    told = np.isfinite(shared.value)
    unseen = max(0.0, shared.value) if told else hidden_of(group, stack["IMAGE"] - sky, stack["VAR"])
    claim, found = claimed(ground, judged, full, stack["VAR"], full_depth, float(unseen))
    alone = single_exposure(
        group, candidate.single, candidate.held_out, candidate.read("single"), judged, full,
        found.one_variance(ground.depth), found.zones,
    )  # fmt: skip
    weight = found.weight
    del found
    denoised = np.where(group.saturated | ~np.isfinite(stack["IMAGE"]), stack["IMAGE"], full + sky)
    denoised = denoised.astype(np.float32)
    del full
    images = Images(
        denoised=judged, stack=ground.mean, depth=ground.depth, variance=group.variance, sigma=ground.sky_sigma,
        usable=ground.usable, saturated=group.saturated, fwhm=group.facts.fwhm_px or 3.0,
        shipped=Shipped(stack["IMAGE"], denoised, sky, stack["VAR"]),
        held_out=ground.judge_mean, halves=lambda: halves_of(group, ground.held_out), weight=weight,
        gains={"all": claim.gain} | claim.zones,
        tiles=tuple(overlaps(side, candidate.tile, candidate.overlap) for side in group.shape), injected=injected,
        shared=lambda: shared,
    )  # fmt: skip
    changed, shown = changed_of(ground, images)
    verdicts = gates.judge(images, settings)
    facts = claim.as_dict() | {
        "single_exposure": alone,
        "injection": injected,
        "changed_sources": changed.counts(),
        "star_flux": star_flux(images.stars),
        "shared": shared.as_dict(),
        "gates": [verdict.as_dict() for verdict in verdicts],
    }
    numbers = bool(np.isfinite(denoised[np.isfinite(stack["IMAGE"])]).all())
    decided = decision(verdicts, claim, numbers, settings.min_gain)
    if decided["product"] == "STACK":
        what = "a gate failed" if decided["qastat"] == FAIL else "no gain could be proven"
        proctype = ("STACK", f"plain stack: {what}, see QAREASON")
        return Judgement(
            stack["IMAGE"], stack["VAR"], stack["MASK"], proctype, facts | decided, changed, shown
        )  # fmt: skip
    if doubts := doubts_of(group, shared, candidate.untrained, len(ground.held_out)):
        decided |= {"qastat": "WARN", "reason": "; ".join(doubts)}
    decided["error_by_brightness"] = {
        "edges_sigma": list(BRIGHTNESSES),
        "error_over_stack": claim.error_over_stack.tolist(),
        "scatter_over_variance": claim.scale.tolist(),
    }
    classes = brightness_class(denoised - sky, sky_noise(group, full_depth))
    variance = stack["VAR"] * claim.variance_over_stack(classes)
    same = (denoised == stack["IMAGE"]) | ~np.isfinite(denoised)
    variance = np.where(same, stack["VAR"], variance).astype(np.float32)
    mask = stack["MASK"].copy()
    mask[same] |= bits.BYPASS
    proctype = ("DENOISED", "denoised product, not a measured image")
    return Judgement(denoised, variance, mask, proctype, facts | decided, changed, shown)


def decision(verdicts: list[Verdict], claim: Claim, numbers: bool, min_gain: float) -> dict:
    """Which image is shipped, with which verdict, and why: product, qastat, reason and headline of assessment.json.

    Parameters
    ----------
    verdicts : list of Verdict
        Of all gates.
    claim : Claim
        What the image is worth.
    numbers : bool
        Whether the denoised image is finite wherever the stack is.
    min_gain : float
        What has to be proven.
    """
    value, error = claim.gain["value"], claim.gain["standard_error"]
    failed = [verdict for verdict in verdicts if verdict.verdict == FAIL]
    # A gate that cannot be judged does not fail, but without a gain that stands out of its error nothing is proven.
    doubt = "" if any(one.title == WHOLE.title for one in failed) else unproven(value, error, min_gain)
    reasons = [f"{one.title}: {one.value:.3g} {one.unit}, limit {one.limit:g}" for one in failed]
    if not numbers:
        reasons.insert(0, "the network gave values that are not numbers")
    verdict = FAIL if overall(verdicts) == FAIL or not numbers else "WARN" if doubt else PASS
    if verdict != PASS:
        return {"product": "STACK", "qastat": verdict, "reason": "; ".join([doubt, *reasons] if doubt else reasons)}
    headline = f"worth {value:.1f} +- {error:.1f} times the exposures"
    return {"product": "DENOISED", "qastat": PASS, "reason": "", "headline": headline}


def changed_of(ground: Ground, images: Images) -> tuple[Changed, np.ndarray]:
    """Sources that the denoiser changed, and what stack, denoised image and held-out exposures show of the first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        depths = ground.depth, ground.judge_depth
        variances = [np.where(depth > 0, images.variance / depth, np.nan) for depth in depths]
    shown = images.stack, images.denoised, images.held_out
    # `fwhm` is twice the radius of half the light.
    changed = changed_sources(images.filtered, shown, variances, images.fwhm / 2, ~images.usable)
    return changed, cut_outs(shown, changed.places)

"""Turn the header of any capture program into the same few fields.

Profiles (``cameras.yaml``) are data: how a program is recognised, which keywords it uses and where it
means something else by them. This module only knows how to apply them. A value that is not there
stays empty; what was assumed is written to `notes`.

This is one file because a field may depend on any other: kind, filter and stage are told by the same cards, and asked
for in one question. What stands for itself has files of its own (`done`, `quantities`, `readout`, `times`, `filters`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from n2n.formats import done, quantities, readout, times
from n2n.formats.filters import Filter, canonical_filter, filter_in_path, sanitise
from n2n.formats.frametable import KINDS
from n2n.formats.kinds import kind_by_profile, kind_of, likely_kind, stated_kind
from n2n.formats.optics import field_deg
from n2n.formats.profiles import Cards, Profile, first_number, first_text, keys_of, profile_of
from n2n.formats.questions import UNKNOWN, ask

_OPEN = ("", "OPEN", "EMPTY", "NONE", "CLEAR", "AIR", "OUT", "NO FILTER", "NOFILTER")
_NO_TARGETS = ("none", "n/a", "na", "unknown", "unnamed", "untitled", "undefined", "no target", "no object", "object")
_NO_TARGETS += ("target", "autosave image", "snapshot", "light", "lights", "light frame", "flatwizard", "-", "--", ".")
_GENERIC_FOLDERS = ("light", "lights", "raw", "frames", "subs", "fits", "images")


def identify(header: Mapping | Cards) -> tuple[str, str, str, str]:
    """Return camera, width, height and the filter's name as spelled, all text: what stands beside what."""
    cards = header if isinstance(header, Cards) else Cards(header)
    profile = profile_of(cards)
    camera = first_text(cards, profile, "camera")
    return camera, cards.text("NAXIS1"), cards.text("NAXIS2"), _raw_filter(cards, profile)


@dataclass(frozen=True)
class Inferred:
    """What evidence says about a frame where its header is silent: a value, and the evidence in words."""

    value: object
    why: str


def told_kind(header: Mapping | Cards, path: str) -> str:
    """The kind of frame that the header states, or that its program's frames have; empty where neither tells."""
    cards = header if isinstance(header, Cards) else Cards(header)
    profile = profile_of(cards)
    return stated_kind(cards, profile) or kind_by_profile(cards, profile, path)[0]


def told_bayer(header: Mapping | Cards) -> str:
    """The colour pattern that the header states; empty where it states none."""
    cards = header if isinstance(header, Cards) else Cards(header)
    return readout.bayer(cards, profile_of(cards), [])


def told_exposure(header: Mapping | Cards) -> float | None:
    """Exposure time of the header [s], 0 for a bias; None where it tells none."""
    cards = header if isinstance(header, Cards) else Cards(header)
    return _exposure(cards, profile_of(cards), [])


def normalise(
    header: Mapping | Cards,
    path: str,
    *,
    override: dict | None = None,
    siblings: Iterable[str] = (),
    inferred: Mapping[str, Inferred] | None = None,
) -> dict[str, object]:
    """Read the frame's fields from its header.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Merged header from `n2n.formats.fits.read_header`.
    path : str
        Path below the raw folder, posix; used for hints, and where a profile or a missing value needs it.
    override : dict, optional
        What the user states about this frame (`n2n.formats.overrides`); wins over the header.
    siblings : iterable of str
        Raw filter names beside this frame (`n2n.formats.filters.canonical_filter`).
    inferred : dict, optional
        ``kind`` and ``exptime_s`` as evidence tells them; used only where header and user are silent.

    Returns
    -------
    dict
        The columns of ``frames.csv`` that a header can tell; unknown ones are ``''``. Times are UTC,
        seconds, degrees, Celsius, ADU and electrons. ``evidence`` names what is inferred, and from what.

    Raises
    ------
    BadFrame
        ``already_processed``, ``not_science``, ``kind_unknown``, ``no_exposure``, ``filter_missing``
        or ``filter_ambiguous``; the last four end with the lines of configuration that settle it.
    """
    override, inferred = dict(override or {}), inferred or {}
    cards = header if isinstance(header, Cards) else Cards(header)
    profile = profile_of(cards)
    notes: list[str] = [] if profile.name != "generic" else ["no camera profile; generic rules"]
    evidence: list[str] = []
    exptime = _exposure(cards, profile, notes)
    stage, steps = _stage(cards, profile, path, exptime, override, notes)
    kind = override.get("kind") or kind_of(cards, profile, path, notes)
    open_because = ""
    if not kind and "kind" in inferred:
        kind, open_because = str(inferred["kind"].value), inferred["kind"].why
        if kind:
            evidence.append(f"kind: {open_because}")
    # A flat without its zero is a flat; what was divided by a flat, or a dark without its bias, fits nothing.
    if stage != done.RAW and kind not in ("light", "") and not (kind == "flat" and set(steps) <= {"b", "d"}):
        what = f"a {kind} that was worked on before ({notes[-1]}), which fits no raw light; if that is wrong"
        raise ask("already_processed", what, path, {"stage": done.RAW})
    exptime = override.get("exptime_s", exptime)
    if not (exptime and exptime > 0) and "exptime_s" in inferred and "exptime_s" not in override:
        exptime = inferred["exptime_s"].value
        evidence.append(f"exptime_s: {inferred['exptime_s'].why}")
    bayer = str(override.get("bayer") or readout.bayer(cards, profile, notes))
    bayer = "" if bayer == "none" else bayer
    raw = _raw_filter(cards, profile)
    chosen = Filter("")
    if kind in ("", "light", "flat"):
        chosen = _filter(raw, cards, profile, path, override, siblings, bayer, notes, evidence)
    _ask_for_missing(kind, exptime, chosen, path, override, cards, profile, open_because)
    row = {
        "kind": kind,
        "target": _target(cards, path, override) if kind == "light" else "",
        "filter": chosen.canonical,
        "filter_bw_nm": chosen.bandwidth_nm,
        "filter_raw": raw,
        "exptime_s": exptime,
        "date_obs": times.iso(quantities.start(cards, profile, exptime, notes)),
        "camera": first_text(cards, profile, "camera"),
        "telescope": "" if profile.telescop_is_mount else first_text(cards, profile, "telescope"),
        "software": "INDI" if profile.name == "indi" else first_text(cards, profile, "software"),
        "width": cards.values.get("NAXIS1"),
        "height": cards.values.get("NAXIS2"),
        "binning": readout.binning(cards, profile),
        "bayer": bayer,
        "row_order": readout.row_order(cards, profile, notes),
        "subframe": readout.subframe(cards),
        "flip": readout.flip(cards, profile),
        "readout_mode": readout.readout_mode(cards, profile),
        "trim": readout.trim(cards, profile, notes),
        "stage": stage,
        "done": steps,
        "temperature_c": quantities.temperature(cards, profile, notes),
        **quantities.gains(cards, profile, exptime, notes),
        **quantities.position(cards, profile),
        "field_deg": field_deg(cards),
        "offset": first_number(cards, profile, "offset"),
        "pedestal_adu": first_number(cards, profile, "pedestal_adu"),
        "rotator_deg": first_number(cards, profile, "rotator_deg"),
    }
    if row["trim"]:
        left, right, top, bottom = map(int, row["trim"].split())
        row |= {"width": right - left, "height": bottom - top}
    for key in ("e_per_adu", "saturate_adu", "camera", "gain_setting", "offset", "temperature_c"):
        if override.get(key) is not None:
            row[key] = override[key]
    if override:
        notes.append("stated by overrides: " + " ".join(sorted(override)))
    row["notes"] = "; ".join(dict.fromkeys(notes))
    row["evidence"] = "; ".join(evidence)
    return {key: "" if value is None else value for key, value in row.items()}


def _exposure(cards: Cards, profile: Profile, notes: list[str]) -> float | None:
    """The first positive exposure time among its keywords [s], else the first of all; None without any."""
    found = []
    for key in keys_of(profile, "exptime_s"):
        seconds = cards.number(key)
        if seconds is not None:
            comment = cards.comments[key]
            scale = 1e-6 if key == "EXPOINUS" else 1e-3 if re.search(r"\bms\b", comment) else 1
            found.append((key, round(seconds * scale, 9)))
    positive = next(((key, seconds) for key, seconds in found if seconds > 0), None)
    if positive and found[0] != positive:
        notes.append(f"exposure time from {positive[0]}, since {found[0][0]} is {found[0][1]:g}")
    return positive[1] if positive else found[0][1] if found else None


def _stage(cards, profile, path, exptime, override, notes) -> tuple[str, str]:
    """What was done before: ``stage`` and ``done``; raises `BadFrame` for stacks, and where a user must say."""
    stated = override.get("stage")
    if stated != done.CALIBRATED:
        done.refuse_stacks(cards, profile, exptime)
    stage, steps, why = done.stage_of(cards, profile, path)
    if stated == done.RAW:
        return done.RAW, ""
    if stated == done.CALIBRATED:
        return (stage if stage != done.RAW else done.CALIBRATED), steps or "bdf"
    if stage == done.REGISTERED:
        what = f"registered already ({why}), so its pixels are resampled"
        what += " (if that is wrong, stage: raw); to use it as a calibrated light"
        raise ask("already_processed", what, path, {"stage": done.CALIBRATED})
    if stage == done.RAW and profile.editor:
        what = f"written by {first_text(cards, profile, 'software')}, which does not say whether it was calibrated"
        raise ask("already_processed", f"{what} (stage: raw or calibrated)", path, {"stage": UNKNOWN})
    if stage == done.CALIBRATED:
        notes.append(f"calibrated before: {why}")
        return stage, steps or "bdf"
    return stage, ""


def _raw_filter(cards: Cards, profile: Profile) -> str:
    if found := first_text(cards, profile, "filter"):
        return found
    wheels = [cards.text("FILTER1"), cards.text("FILTER2")]
    return next((name for name in wheels if name.upper() not in _OPEN), next(filter(None, wheels), ""))


def _filter(
    raw: str,
    cards: Cards,
    profile: Profile,
    path: str,
    override: dict,
    siblings: Iterable[str],
    bayer: str,
    notes: list[str],
    evidence: list[str],
) -> Filter:
    if override.get("filter"):
        stated = canonical_filter(override["filter"], program=profile.name)
        # The user's word is final even where the word alone would be ambiguous.
        return stated if not stated.problem else Filter(sanitise(str(override["filter"])), stated.bandwidth_nm)
    siblings = [name for name in siblings if name == "H" or not canonical_filter(name).problem]
    chosen = canonical_filter(raw, program=profile.name, siblings=siblings)
    if chosen.canonical == "Clear":
        chosen = _contradicted(chosen, cards)
    if chosen.problem == "filter_missing":
        if found := filter_in_path(path):
            evidence.append(f"filter: the word {found[1]!r} in the path")
            return found[0]
        if bayer and not siblings:
            notes.append("colour camera without a filter")
            return Filter("NoFilter")
        if siblings:
            why = "other frames of this camera name one, so the gap is an accident"
            return Filter("", problem="filter_missing", note=f"{chosen.note}, but {why}")
    if chosen.note and not chosen.problem:
        notes.append(chosen.note)
    return chosen


def _contradicted(chosen: Filter, cards: Cards) -> Filter:
    for key in ("FILT-1", "FILTERS", "FILTER1", "FILTER2"):
        other = cards.text(key)
        if other.upper() not in _OPEN and canonical_filter(other).canonical != "Clear":
            note = f"FILTER is clear but {key} = {other!r}"
            return Filter("", problem="filter_ambiguous", note=note)
    return chosen


def _ask_for_missing(
    kind: str,
    exptime: object,
    chosen: Filter,
    path: str,
    override: dict,
    cards: Cards,
    profile: Profile,
    open_because: str,
) -> None:
    """Raise with the configuration that supplies everything missing, not only the first of it."""
    # A flat's time only finds its dark; without it the flat takes a bias.
    needs_time = kind not in ("bias", "flat") and not (isinstance(exptime, int | float) and exptime > 0)
    if kind in KINDS and not needs_time and not chosen.problem:
        return
    lines, word = dict(override), ""
    if kind not in KINDS:
        lines["kind"] = likely_kind(path) or UNKNOWN
    likely = lines.get("kind", kind)
    if likely in ("light", "flat", UNKNOWN):
        found = filter_in_path(path)
        if found and (kind not in KINDS or chosen.problem):
            word = found[1]
            lines.setdefault("filter", found[0].canonical)
        elif chosen.problem:
            lines["filter"] = UNKNOWN
    if needs_time and likely in ("light", "dark", "darkflat", UNKNOWN):
        lines["exptime_s"] = UNKNOWN
    if kind not in KINDS:
        value = first_text(cards, profile, "kind") or override.get("kind", "")
        what = f"{value!r} is no known kind of frame" if value else "the header does not say the kind of frame"
        what += f" (light, bias, dark, flat or darkflat){f', and {open_because}' if open_because else ''}"
        raise ask("kind_unknown", what, path, lines, word=word)
    if needs_time:
        raise ask("no_exposure", "the header has no positive exposure time", path, lines, word=word)
    raise ask(chosen.problem, chosen.note, path, lines, word=word)


def _target(cards: Cards, path: str, override: dict) -> str:
    if override.get("target"):
        return str(override["target"])
    named = cards.text("OBJECT")
    if named and named.lower() not in _NO_TARGETS:
        return named
    folders = PurePosixPath(path).parts[1:-1]
    if folders and folders[-1].lower() not in _GENERIC_FOLDERS and sanitise(folders[-1]):
        return folders[-1]
    return "target"

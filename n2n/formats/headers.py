"""Turn the header of any capture program into the same few fields.

Profiles (``cameras.yaml``) are data: how a program is recognised, which keywords it uses and where it
means something else by them. This module only knows how to apply them. A value that is not there
stays empty; what was assumed is written to `notes`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import PurePosixPath

from n2n.errors import BadFrame
from n2n.formats import times
from n2n.formats.filters import Filter, canonical_filter, filter_in_path, sanitise
from n2n.formats.overrides import FIELDS as OVERRIDE_FIELDS
from n2n.formats.overrides import KINDS
from n2n.formats.profiles import Cards, Profile, first_number, first_text, keys_of, profile_of

_KIND_WORDS = {
    "light": "light object expose science standard",
    "bias": "bias zero offset",
    "dark": "dark",
    "flat": "flat skyflat domeflat",
    "darkflat": "darkflat flatdark",
    "not_science": "snapshot focus test bpm readnoise experimental",
}
_KINDS = {word: kind for kind, words in _KIND_WORDS.items() for word in words.split()}
_PICTTYPES = {"1": "light", "2": "bias", "3": "dark", "4": "flat"}
_CFA = re.compile(r"(RGGB|BGGR|GRBG|GBRG)")
_OPEN = ("", "OPEN", "EMPTY", "NONE", "CLEAR", "AIR", "OUT", "NO FILTER", "NOFILTER")
_CLOCKS = ("TIME-OBS", "UT-OBS", "UTSTART", "UTC-OBS", "UT")
_GENERIC_FOLDERS = ("light", "lights", "raw", "frames", "subs", "fits", "images")


def identify(header: Mapping | Cards) -> tuple[str, str, str, str]:
    """Return camera, width, height and the filter's name as spelled, all text: what stands beside what."""
    cards = header if isinstance(header, Cards) else Cards(header)
    profile = profile_of(cards)
    camera = first_text(cards, profile, "camera")
    return camera, cards.text("NAXIS1"), cards.text("NAXIS2"), _raw_filter(cards, profile)


def normalise(
    header: Mapping | Cards, path: str, *, override: dict | None = None, siblings: Iterable[str] = ()
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

    Returns
    -------
    dict
        The columns of ``frames.csv`` that a header can tell; unknown ones are ``''``. Times are UTC,
        seconds, degrees, Celsius, ADU and electrons.

    Raises
    ------
    BadFrame
        ``already_processed``, ``not_science``, ``kind_unknown``, ``no_exposure``, ``filter_missing``
        or ``filter_ambiguous``; the last four end with the lines of configuration that settle it.
    """
    override = dict(override or {})
    cards = header if isinstance(header, Cards) else Cards(header)
    profile = profile_of(cards)
    exptime = _exposure(cards, profile)
    _refuse_products(cards, profile, exptime)
    notes: list[str] = [] if profile.name != "generic" else ["no camera profile; generic rules"]
    kind = override.get("kind") or _kind(cards, profile, path, notes)
    exptime = override.get("exptime_s", exptime)
    bayer = str(override.get("bayer") or _bayer(cards, profile, notes))
    raw = _raw_filter(cards, profile)
    chosen = Filter("")
    if kind in ("", "light", "flat"):
        chosen = _filter(raw, cards, profile, path, override, siblings, bayer, notes)
    _ask_for_missing(kind, exptime, chosen, path, override, cards, profile)
    row = {
        "kind": kind,
        "target": _target(cards, path, override) if kind == "light" else "",
        "filter": chosen.canonical,
        "filter_bw_nm": chosen.bandwidth_nm,
        "filter_raw": raw,
        "exptime_s": exptime,
        "date_obs": times.iso(_start(cards, profile, exptime, notes)),
        "camera": first_text(cards, profile, "camera"),
        "telescope": "" if profile.telescop_is_mount else first_text(cards, profile, "telescope"),
        "software": "INDI" if profile.name == "indi" else first_text(cards, profile, "software"),
        "width": cards.values.get("NAXIS1"),
        "height": cards.values.get("NAXIS2"),
        "binning": _binning(cards, profile),
        "bayer": bayer,
        "row_order": _row_order(cards, profile, notes),
        "temperature_c": _temperature(cards, profile, notes),
        **_gains(cards, profile, notes),
        **_position(cards, profile),
        "offset": first_number(cards, profile, "offset"),
        "pedestal_adu": first_number(cards, profile, "pedestal_adu"),
        "rotator_deg": first_number(cards, profile, "rotator_deg"),
    }
    for key in ("e_per_adu", "read_noise_e", "saturate_adu", "camera", "gain_setting", "temperature_c"):
        if override.get(key) is not None:
            row[key] = override[key]
    if override:
        notes.append("stated by overrides: " + " ".join(sorted(override)))
    row["notes"] = "; ".join(dict.fromkeys(notes))
    return {key: "" if value is None else value for key, value in row.items()}


def _exposure(cards: Cards, profile: Profile) -> float | None:
    for key in keys_of(profile, "exptime_s"):
        seconds = cards.number(key)
        if seconds is not None:
            comment = cards.comments[key]
            scale = 1e-6 if key == "EXPOINUS" else 1e-3 if re.search(r"\bms\b", comment) else 1
            return round(seconds * scale, 9)
    return None


def _refuse_products(cards: Cards, profile: Profile, exptime: float | None) -> None:
    """Raise for stacks and calibrated frames, whose kind keyword is that of their raw frames."""
    reasons = [
        (profile.processed, f"written by {first_text(cards, profile, 'software')}"),
        (re.search("master", first_text(cards, profile, "kind"), re.I), "its kind is a master frame"),
        (bool(re.search("[a-z]", cards.text("CALSTAT"), re.I)), f"CALSTAT = {cards.text('CALSTAT')!r}"),
        (cards.text("LIVETIME") != "", "LIVETIME is a stack's total exposure"),
        (profile.name == "lco" and cards.text("RLEVEL") not in ("", "0", "00"), "RLEVEL is not raw"),
    ]
    for key in ("STACKCNT", "NCOMBINE", "SNAPSHOT"):
        reasons.append(((cards.number(key) or 0) > 1, f"{key} = {cards.text(key)}"))
    total, sub = cards.number("TOTALEXP"), cards.number("SUBEXP")
    reasons.append((exptime and total and total > exptime * 1.001, "TOTALEXP exceeds the exposure"))
    reasons.append((exptime and sub and exptime > sub * 1.001, "the exposure exceeds SUBEXP"))
    for applies, reason in reasons:
        if applies:
            raise BadFrame("already_processed", f"a stack or a calibrated frame, not a raw exposure: {reason}")


def _kind(cards: Cards, profile: Profile, path: str, notes: list[str]) -> str:
    name = PurePosixPath(path).name.lower()
    if any(word in re.split(r"[^a-z]+", name) for word in profile.not_science_names):
        raise BadFrame("not_science", "the file name says it is a snapshot")
    for key in keys_of(profile, "kind"):
        value = cards.text(key)
        if not value:
            continue
        word = re.sub(r"frame|field|[\s_-]", "", value.lower())
        kind = _PICTTYPES.get(value, "") if key == "PICTTYPE" else _KINDS.get(word, "")
        if kind == "not_science":
            raise BadFrame("not_science", f"{key} = {value!r} is not an exposure to work with")
        return kind
    named = cards.text("OBJECT").lower()
    if named in profile.kind_by_object:
        notes.append("kind read from OBJECT")
        return profile.kind_by_object[named]
    for pattern, kind in profile.kind_by_path:
        if re.search(pattern, path, re.I):
            notes.append("kind read from the folder's name")
            return kind
    if profile.kind:
        notes.append(f"kind assumed by the profile {profile.name}")
    return profile.kind


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
            notes.append(f"filter read from the word {found[1]!r} in the path")
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
) -> None:
    """Raise with the configuration that supplies everything missing, not only the first of it."""
    needs_time = kind != "bias" and not (isinstance(exptime, int | float) and exptime > 0)
    if kind in KINDS and not needs_time and not chosen.problem:
        return
    lines = dict(override)
    parent, pattern = PurePosixPath(path).parent.as_posix(), "*"
    if kind not in KINDS:
        lines["kind"] = _likely_kind(path)
    likely = lines.get("kind", kind)
    if likely in ("light", "flat"):
        if found := filter_in_path(path):
            pattern = _pattern_around(found[1], PurePosixPath(path).name)
            lines.setdefault("filter", found[0].canonical)
        elif chosen.problem:
            lines["filter"] = "Ha"
    if needs_time and likely != "bias":
        lines["exptime_s"] = 300
    stated = ", ".join(f"{key}: {lines[key]}" for key in OVERRIDE_FIELDS if key in lines)
    prefix = "" if parent == "." else f"{parent}/"
    hint = f'set in config/config.yaml: overrides: {{"{prefix}{pattern}": {{{stated}}}}}'
    if kind not in KINDS:
        value = first_text(cards, profile, "kind") or override.get("kind", "")
        what = f"{value!r} is no known kind of frame" if value else "the header does not say the kind of frame"
        raise BadFrame("kind_unknown", f"{what}; {hint}")
    if needs_time:
        raise BadFrame("no_exposure", f"the header has no positive exposure time; {hint}")
    raise BadFrame(chosen.problem, f"{chosen.note}; {hint}")


def _likely_kind(path: str) -> str:
    """Guess a kind from the path's words, for a hint only: a user decides."""
    for word in reversed(re.split(r"[^a-z]+", path.lower())):
        kind = _KINDS.get(word) or _KINDS.get(word.removesuffix("s").removesuffix("e"))
        if kind in ("bias", "dark", "flat"):
            return kind
    return "light"


def _pattern_around(word: str, name: str) -> str:
    """Match the names that carry a word between the same separators; all names where a folder does."""
    match = re.search(rf"(^|[\s_-]){re.escape(word)}([\s_.-])", name)
    return f"{'*' if match[1] else ''}{match[0]}*" if match else "*"


def _target(cards: Cards, path: str, override: dict) -> str:
    named = override.get("target") or cards.text("OBJECT")
    if named and sanitise(str(named)):
        return str(named)
    folders = PurePosixPath(path).parts[1:-1]
    if folders and folders[-1].lower() not in _GENERIC_FOLDERS and sanitise(folders[-1]):
        return folders[-1]
    return "target"


def _start(cards: Cards, profile: Profile, exptime: object, notes: list[str]):
    clock = next((cards.text(key) for key in _CLOCKS if cards.text(key)), None)
    candidates = (times.parse_utc(cards.text(key), clock) for key in keys_of(profile, "date_obs"))
    moment = next((found for found in candidates if found), None)
    if moment is None and cards.number("MJD-OBS") is not None:
        moment = times.from_mjd(cards.number("MJD-OBS"))
        notes.append("time from MJD-OBS")
    if moment is None:
        notes.append("no usable time; ordered by name")
        return None
    if profile.time == "end" and exptime:
        notes.append("DATE-OBS is the end of the exposure; start computed")
        return moment - timedelta(seconds=float(exptime))
    if profile.time == "uncertain":
        notes.append("time uncertain by one exposure")
    return moment


def _binning(cards: Cards, profile: Profile) -> str:
    key = next((key for key in keys_of(profile, "binning_x") if cards.text(key)), None)
    if key is None:
        return ""
    x = cards.number(key)
    y = first_number(cards, profile, "binning_y") or x
    if len(both := cards.text(key).split()) == 2:
        x, y = float(both[0]), float(both[1])
    return "" if x is None else f"{x:g}" if x == y else f"{x:g}x{y:g}"


def _bayer(cards: Cards, profile: Profile, notes: list[str]) -> str:
    keys = [*keys_of(profile, "bayer"), "FILTER"]
    pattern = next((match[1] for key in keys if (match := _CFA.match(cards.text(key).upper()))), "")
    if not pattern:
        return ""
    # The pattern is stored for the first pixel of the file, wherever the sensor's own pattern starts.
    if round(cards.number("XBAYROFF") or cards.number("BAYOFFX") or 0) % 2:
        pattern = pattern[1] + pattern[0] + pattern[3] + pattern[2]
        notes.append("colour pattern shifted by XBAYROFF")
    if round(cards.number("YBAYROFF") or cards.number("BAYOFFY") or 0) % 2:
        pattern = pattern[2:] + pattern[:2]
        notes.append("colour pattern shifted by YBAYROFF")
    return pattern


def _row_order(cards: Cards, profile: Profile, notes: list[str]) -> str:
    stated = cards.text("ROWORDER").upper()
    if stated in ("TOP-DOWN", "BOTTOM-UP"):
        return stated
    if profile.row_order:
        notes.append(f"row order {profile.row_order} assumed by the profile {profile.name}")
    return profile.row_order


def _temperature(cards: Cards, profile: Profile, notes: list[str]) -> float | None:
    measured = None
    for key in keys_of(profile, "temperature_c"):
        value = cards.number(key)
        if value is None:
            continue
        if profile.temperature_unit == "kelvin" or "kelvin" in cards.comments[key].lower():
            value = None if value < 0 else round(value - 273.15, 3)
        elif key == "CAMTEMP" and not re.search(r"\d\s*C\b", cards.text(key)):
            value = None  # kelvin or Celsius: nothing says which
        measured = value if value is None or -150 < value < 100 else None
        break
    set_point = first_number(cards, profile, "set_point_c")
    if measured is not None and set_point is not None and abs(measured - set_point) > 2:
        notes.append(f"sensor at {measured:g} C, set to {set_point:g} C")
    return measured


def _gains(cards: Cards, profile: Profile, notes: list[str]) -> dict[str, float | None]:
    gain = {
        name: first_number(cards, profile, name)
        for name in ("gain_setting", "e_per_adu", "read_noise_e", "saturate_adu")
    }
    if profile.gain == "e_per_adu":
        gain["e_per_adu"], gain["gain_setting"] = cards.number("GAIN"), None
    depth = profile.adc_depth_keys
    if depth and gain["e_per_adu"] is not None and cards.number("EGAINSAV") is None:
        bits = cards.number(depth["bits"])
        if bits != 16:
            gain["e_per_adu"] = None
            notes.append(f"{depth['gain']} holds at the converter's depth, not for the saved numbers; not used")
    for name in ("e_per_adu", "read_noise_e", "saturate_adu"):
        if gain[name] is not None and gain[name] <= 0:
            gain[name] = None
    return gain


def _position(cards: Cards, profile: Profile) -> dict[str, float | None]:
    """Read a pointing hint in degrees; the exact zeros of an unset mount are no position."""
    for ra_key, dec_key in zip(keys_of(profile, "ra_deg"), keys_of(profile, "dec_deg"), strict=True):
        ra, dec = _angle(cards, ra_key, 15), _angle(cards, dec_key, 1)
        if ra is not None and dec is not None and (ra, dec) != (0, 0) and 0 <= ra < 360 and abs(dec) <= 90:
            return {"ra_deg": round(ra, 6), "dec_deg": round(dec, 6)}
    return {"ra_deg": None, "dec_deg": None}


def _angle(cards: Cards, key: str, sexagesimal_unit: int) -> float | None:
    parts = re.split(r"[:\s]+", cards.text(key).strip())
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return None
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) > 3:
        return None
    size = sum(abs(number) / 60**power for power, number in enumerate(numbers)) * sexagesimal_unit
    return -size if parts[0].startswith("-") else size

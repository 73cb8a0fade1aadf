"""Headers as nine capture programs write them.

The habits come from published headers: which keywords a program uses for the kind of a frame, its
exposure, filter, gain and time, how it spells them, and what it leaves out. This is one file because it is one table:
nine functions of one kind, to be compared side by side.
"""

import dataclasses
import datetime
from collections.abc import Callable

from astropy.io import fits

J2000_JD = 2451545.0


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a capture program knows about a frame when it writes the header.

    Attributes
    ----------
    kind : str
        ``light``, ``bias``, ``dark`` or ``flat``.
    target, filter : str
        Target of a light (empty otherwise) and filter in the wheel (``Ha`` or ``L``).
    exptime : float
        In s.
    start : datetime.datetime
        UTC, without zone.
    gain_setting, offset_setting : int
    e_per_adu : float
    temperature, set_temperature : float
        In °C.
    ra, dec : float
        Where the mount points, J2000, in degrees.
    name : str
        File name.
    """

    kind: str
    target: str
    filter: str
    exptime: float
    start: datetime.datetime
    gain_setting: int
    offset_setting: int
    e_per_adu: float
    temperature: float
    set_temperature: float
    ra: float
    dec: float
    name: str
    camera: str = "Simulated IMX533M"
    telescope: str = "Simulated 80mm f/6"
    pixel_um: float = 3.76
    focal_mm: float = 480.0


@dataclasses.dataclass(frozen=True)
class Dialect:
    """One capture program.

    Attributes
    ----------
    name : str
    cards : callable
        Facts -> list of (keyword, value[, comment]) or `fits.Card`.
    extension : str
        Of its files.
    bzero : int or float
        MaxIm DL writes the 16-bit offset as a float.
    bscale : bool
        Whether BSCALE accompanies BZERO.
    """

    name: str
    cards: Callable[[Facts], list]
    extension: str = "fits"
    bzero: int | float = 32768
    bscale: bool = True


def header(facts: Facts, dialect: str, shape: tuple[int, int]) -> fits.Header:
    """Complete primary header of a 16-bit frame.

    Parameters
    ----------
    facts : Facts
        What goes into it.
    dialect : str
        A key of `DIALECTS`.
    shape : (height, width)
        Of the sensor.
    """
    program = DIALECTS[dialect]
    cards = fits.Header()
    cards["SIMPLE"] = True
    cards["BITPIX"] = 16
    cards["NAXIS"] = 2
    cards["NAXIS1"] = shape[1]
    cards["NAXIS2"] = shape[0]
    cards["BZERO"] = program.bzero
    if program.bscale:
        cards["BSCALE"] = type(program.bzero)(1)
    for card in program.cards(facts):
        cards.append(card if isinstance(card, fits.Card) else fits.Card(*card), end=True)
    cards.add_comment("Simulated by n2n")
    return cards


def _raw(image: str) -> fits.Card:
    """Card whose value astropy would format differently."""
    return fits.Card.fromstring(image)


def _time(start: datetime.datetime, decimals: int) -> str:
    text = start.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"
    return text[: 20 + decimals] if decimals else text[:19]


def _julian(start: datetime.datetime) -> float:
    return J2000_JD + (start - datetime.datetime(2000, 1, 1, 12)) / datetime.timedelta(days=1)


def _sexagesimal(value: float, separator: str = " ", signed: bool = False) -> str:
    total = round(abs(value) * 3600)
    sign = "" if not signed else "-" if value < 0 else "+"
    return sign + separator.join(f"{n:02d}" for n in (total // 3600, total // 60 % 60, total % 60))


def _object_position(facts: Facts) -> list:
    return [
        ("OBJCTRA", _sexagesimal(facts.ra / 15), "[H M S]"),
        ("OBJCTDEC", _sexagesimal(facts.dec, signed=True), "[D M S]"),
    ]


def _mount_position(facts: Facts) -> list:
    return [("RA", facts.ra, "[deg]"), ("DEC", facts.dec, "[deg]")]


UPPER = {"light": "LIGHT", "bias": "BIAS", "dark": "DARK", "flat": "FLAT"}
TITLE = {"light": "Light", "bias": "Bias", "dark": "Dark", "flat": "Flat"}
FRAME = {"light": "Light Frame", "bias": "Bias Frame", "dark": "Dark Frame", "flat": "Flat Field"}


def _is_sky(facts: Facts) -> bool:
    return facts.kind in ("light", "flat")


def _nina(facts: Facts) -> list:
    middle = facts.start + datetime.timedelta(seconds=facts.exptime / 2)
    cards = [
        ("IMAGETYP", UPPER[facts.kind], "Type of exposure"),
        ("EXPOSURE", facts.exptime, "[s] Exposure duration"),
        ("EXPTIME", facts.exptime, "[s] Exposure duration"),
        ("DATE-LOC", _time(facts.start + datetime.timedelta(hours=2), 7), "Time of observation (local)"),
        ("DATE-OBS", _time(facts.start, 7), "Time of observation (UTC)"),
        ("DATE-AVG", _time(middle, 7), "Averaged midpoint time (UTC)"),
        ("MJD-OBS", _julian(facts.start) - 2400000.5, "[d] Modified Julian Date of observation"),
        ("XBINNING", 1, "X axis binning factor"),
        ("YBINNING", 1, "Y axis binning factor"),
        ("GAIN", facts.gain_setting, "Sensor gain"),
        ("OFFSET", facts.offset_setting, "Sensor gain offset"),
        ("EGAIN", facts.e_per_adu, "[e-/ADU] Electrons per A/D unit"),
        ("XPIXSZ", facts.pixel_um, "[um] Pixel X axis size"),
        ("YPIXSZ", facts.pixel_um, "[um] Pixel Y axis size"),
        ("INSTRUME", facts.camera, "Imaging instrument name"),
        ("SET-TEMP", facts.set_temperature, "[degC] CCD temperature setpoint"),
        ("CCD-TEMP", facts.temperature, "[degC] CCD temperature"),
        ("READOUTM", "Default", "Sensor readout mode"),
        ("TELESCOP", facts.telescope, "Name of telescope"),
        ("FOCALLEN", facts.focal_mm, "[mm] Focal length"),
        ("FWHEEL", "Simulated wheel", "Filter Wheel name"),
        # N.I.N.A. shows the wheel's blackout slot during bias and dark frames.
        ("FILTER", facts.filter if _is_sky(facts) else "Dark", "Active filter name"),
    ]
    if facts.kind == "light":
        cards += [*_mount_position(facts), ("OBJECT", facts.target, "Name of the object of interest")]
        cards += _object_position(facts)
    return [
        *cards,
        ("ROWORDER", "TOP-DOWN", "FITS Image Orientation"),
        ("EQUINOX", 2000.0, "Equinox of celestial coordinate system"),
        ("SWCREATE", "N.I.N.A. 3.1.2.9001 (x64)", "Software that created this file"),
    ]


def _sgpro(facts: Facts) -> list:
    # DATE-OBS is the time the file was written, not the start.
    written = facts.start + datetime.timedelta(seconds=facts.exptime + 1.4)
    cards = [
        ("OBJECT", facts.target or "Target", "Object name"),
        ("DATE-LOC", _time(written + datetime.timedelta(hours=2), 7), "Local observation date"),
        ("DATE-OBS", _time(written, 7), "UTC observation date"),
        ("IMAGETYP", UPPER[facts.kind], "Type of frame"),
        ("CREATOR", "Sequence Generator Pro v4.1.0.832", "Capture software"),
        ("INSTRUME", facts.camera, "Instrument name"),
        ("OBSERVER", "Observer", "Observer name"),
        ("EXPOSURE", facts.exptime, "Exposure time in seconds"),
        ("GAIN", facts.gain_setting, "The gain set (if supported)"),
        ("OFFSET", facts.offset_setting, "The offset set (if supported)"),
        ("EGAIN", facts.e_per_adu, "Electrons Per ADU"),
        ("CCD-TEMP", facts.temperature, "Temperature of the camera"),
        ("SET-TEMP", facts.set_temperature, "Temperature set point"),
        ("XPIXSZ", facts.pixel_um, "Pixel width in microns"),
        ("YPIXSZ", facts.pixel_um, "Pixel height in microns"),
        ("XBINNING", 1, "Camera binning mode"),
        ("CCDXBIN", 1, "Camera binning mode"),
        ("TELESCOP", facts.telescope, "Telescope name"),
        ("FOCALLEN", facts.focal_mm, "The focal length of the telescope"),
        ("FWHEEL", "Simulated wheel", "Filter wheel name"),
        ("FILTER", facts.filter, "The optical filter used"),
    ]
    return cards + ([*_mount_position(facts), *_object_position(facts)] if facts.kind == "light" else [])


def _asiair(facts: Facts) -> list:
    cards = [
        ("CREATOR", "ZWO ASIAIR Plus", "Capture software"),
        ("XBINNING", 1, "Camera X Bin"),
        ("CCDXBIN", 1, "Camera X Bin"),
        ("XPIXSZ", facts.pixel_um, "pixel size in microns (with binning)"),
        ("IMAGETYP", TITLE[facts.kind], "Type of image"),
        ("EXPOSURE", facts.exptime, "Exposure time in seconds"),
        ("EXPTIME", facts.exptime, "Exposure time in seconds"),
        ("CCD-TEMP", round(facts.temperature, 1), "sensor temperature in C"),
        ("SET-TEMP", round(facts.set_temperature), "target temperature in C"),
        ("GAIN", facts.gain_setting, "Gain Value"),
        ("OFFSET", facts.offset_setting, "Camera offset"),
        ("EGAIN", facts.e_per_adu, "Electron gain in e/ADU"),
        ("INSTRUME", facts.camera, "Camera model"),
        ("TELESCOP", "EQMod Mount", "Telescope name"),
        ("FOCALLEN", round(facts.focal_mm), "Focal length of telescope in mm"),
        ("DATE-OBS", _time(facts.start, 6), "Image created time"),
    ]
    if _is_sky(facts):
        cards.append(("FILTER", facts.filter, "Filter name"))
    if facts.kind == "light":
        cards += [("OBJECT", facts.target, "Target name"), *_mount_position(facts)]
    return cards


def _sharpcap(facts: Facts) -> list:
    end = facts.start + datetime.timedelta(seconds=facts.exptime)
    return [
        ("EXPTIME", facts.exptime, "seconds"),
        ("GAIN", facts.gain_setting),
        ("BLKLEVEL", facts.offset_setting),
        # EGAIN is meant for the converter's depth (14 bit here), EGAINSAV for the saved 16 bits.
        ("EGAIN", 4 * facts.e_per_adu, "Electrons per ADU at ADC bit depth"),
        ("EGAINSAV", facts.e_per_adu, "Electrons per ADU at saved bit depth"),
        ("ADCBITS", 14),
        ("CCD-TEMP", facts.temperature, "C"),
        ("SET-TEMP", facts.set_temperature, "C"),
        ("XBINNING", 1),
        ("YBINNING", 1),
        ("XPIXSZ", facts.pixel_um, "microns, includes binning if any"),
        ("YPIXSZ", facts.pixel_um, "microns, includes binning if any"),
        ("INSTRUME", facts.camera),
        ("DATE-OBS", _time(facts.start, 7), "System Clock:Est. Frame Start"),
        ("DATE-END", _time(end, 7), "System Clock:Est. Frame End"),
        ("JD_UTC", _julian(facts.start), "Julian Date at mid exposure"),
        *([("OBJECT", facts.target)] if facts.kind == "light" else []),
        ("ROWORDER", "TOP-DOWN"),
        ("COLORTYP", "MONO16"),
        ("SWCREATE", "SharpCap v4.1.11817.0, 64 bit"),
    ]


def _indi(facts: Facts) -> list:
    cards = [
        ("INSTRUME", facts.camera, "CCD Name"),
        ("TELESCOP", "EQMod Mount", "Telescope name"),
        ("OBSERVER", "Unknown", "Observer name"),
        ("EXPTIME", facts.exptime, "Total Exposure Time (s)"),
        *([("DARKTIME", facts.exptime, "Total Dark Exposure Time (s)")] if facts.kind == "dark" else []),
        ("CCD-TEMP", facts.temperature, "CCD Temperature (Celsius)"),
        ("PIXSIZE1", facts.pixel_um, "Pixel Size 1 (microns)"),
        ("PIXSIZE2", facts.pixel_um, "Pixel Size 2 (microns)"),
        ("XBINNING", 1, "Binning factor in width"),
        ("YBINNING", 1, "Binning factor in height"),
        ("XPIXSZ", facts.pixel_um, "X binned pixel size in microns"),
        ("YPIXSZ", facts.pixel_um, "Y binned pixel size in microns"),
        ("FRAME", TITLE[facts.kind], "Frame Type"),
        ("IMAGETYP", FRAME[facts.kind].replace("Field", "Frame"), "Frame Type"),
        ("GAIN", float(facts.gain_setting), "Gain"),
        ("OFFSET", float(facts.offset_setting), "Offset"),
    ]
    if _is_sky(facts):
        slot = {"Ha": "H_Alpha", "L": "Luminance"}.get(facts.filter, facts.filter)
        cards.append(("FILTER", slot, "Filter"))
    if facts.kind == "light":
        cards += [("OBJECT", facts.target, "Object name"), *_object_position(facts), *_mount_position(facts)]
        cards += [("EQUINOX", 2000.0, "Equinox")]
    return [
        *cards,
        ("ROWORDER", "TOP-DOWN", "Row Order"),
        ("DATE-OBS", _time(facts.start, 3), "UTC start date of observation"),
        ("COMMENT", "Generated by INDI"),
    ]


def _maxim(facts: Facts) -> list:
    cards = [
        ("DATE-OBS", _time(facts.start, 0), "YYYY-MM-DDThh:mm:ss observation start, UT"),
        ("EXPTIME", facts.exptime, "Exposure time in seconds"),
        ("EXPOSURE", facts.exptime, "Exposure time in seconds"),
        ("SET-TEMP", facts.set_temperature, "CCD temperature setpoint in C"),
        ("CCD-TEMP", facts.temperature, "CCD temperature at start of exposure in C"),
        ("XPIXSZ", facts.pixel_um, "Pixel Width in microns (after binning)"),
        ("YPIXSZ", facts.pixel_um, "Pixel Height in microns (after binning)"),
        ("XBINNING", 1, "Binning factor in width"),
        ("YBINNING", 1, "Binning factor in height"),
        ("READOUTM", "Normal", "Readout mode of image"),
        ("FILTER", facts.filter, "Filter used when taking image"),
        ("IMAGETYP", FRAME[facts.kind], "Type of image"),
        ("FOCALLEN", facts.focal_mm, "Focal length of telescope in mm"),
        ("EGAIN", facts.e_per_adu, "Electronic gain in e-/ADU"),
        ("GAIN", facts.gain_setting, "Camera gain setting"),
        ("PEDESTAL", 0, "Correction to add for zero-based ADU"),
        ("JD", _julian(facts.start), "Julian Date at time of exposure"),
    ]
    if facts.kind == "light":
        cards += [("OBJECT", facts.target), *_object_position(facts)]
        cards += [("RA", _sexagesimal(facts.ra / 15)), ("DEC", _sexagesimal(facts.dec, signed=True))]
    return [
        *cards,
        ("INSTRUME", facts.camera, "instrument or camera used"),
        ("TELESCOP", facts.telescope, "telescope used to acquire this image"),
        ("ROWORDER", "TOP-DOWN", "Image write order"),
        ("SWCREATE", "MaxIm DL Version 6.27 210414", "Name of software"),
    ]


def _apt(facts: Facts) -> list:
    cards = [
        ("OBJECT", facts.target or "", "Object name"),
        ("INSTRUME", facts.camera, "Camera"),
        ("IMAGETYP", FRAME[facts.kind], "Type of image"),
        ("EXPTIME", facts.exptime, "Exposure time in seconds"),
        ("DATE-OBS", _time(facts.start, 0), "YYYY-MM-DDThh:mm:ss observation, UT"),
        ("JD", _julian(facts.start), "Julian Date"),
        ("XPIXSZ", facts.pixel_um, "Pixel Width in microns"),
        ("XBINNING", 1, "Binning"),
        ("YBINNING", 1, "Binning"),
        ("FILTER", facts.filter if _is_sky(facts) else "", "Filter"),
        ("GAIN", facts.gain_setting, "Camera gain"),
        ("EGAIN", facts.e_per_adu, "e-/ADU"),
        ("OFFSET", facts.offset_setting, "Camera offset"),
        ("SET-TEMP", facts.set_temperature, "Set temperature in C"),
        ("CCD-TEMP", facts.temperature, "Sensor temperature in C"),
        ("FOCALLEN", facts.focal_mm, "Focal length in mm"),
        ("TELESCOP", facts.telescope, "Telescope"),
        ("SWCREATE", "Astro Photography Tool - APT v.4.33", "Software"),
    ]
    return cards + (_object_position(facts) if facts.kind == "light" else [])


def _theskyx(facts: Facts) -> list:
    number = {"light": 1, "bias": 2, "dark": 3, "flat": 4}[facts.kind]
    local = facts.start + datetime.timedelta(hours=2)
    cards = [
        ("SWCREATE", "TheSkyX Version 10.5.0 Build 13000", "Application"),
        ("INSTRUME", facts.camera, "Camera Model"),
        ("TELESCOP", facts.telescope, "Telescope name"),
        ("DATE-OBS", _time(facts.start, 3), "UTC of exp start"),
        ("LOCALTIM", local.strftime("%m/%d/%Y %I:%M:%S.%f")[:-3] + local.strftime(" %p"), "Local exp start"),
        ("EXPTIME", facts.exptime, "Exposure time in seconds"),
        ("IMAGETYP", FRAME[facts.kind], "Type of image"),
        ("PICTTYPE", number, "Image type"),
        ("CCD-TEMP", facts.temperature, "CCD temp in degrees C"),
        ("SET-TEMP", facts.set_temperature, "The setpoint of the cooling in C"),
        ("XBINNING", 1, "Binning level along the X-axis"),
        ("YBINNING", 1, "Binning level along the Y-axis"),
        ("XPIXSZ", facts.pixel_um, "Pixel width in microns after binning"),
        ("YPIXSZ", facts.pixel_um, "Pixel height in microns after binning"),
        ("FOCALLEN", facts.focal_mm, "Focal length in mm"),
        ("FILTER", facts.filter, "Optical filter name"),
        ("COLORCCD", 0, "Non zero if image is from a Bayer color ccd"),
    ]
    return cards + ([("OBJECT", facts.target), *_object_position(facts)] if facts.kind == "light" else [])


def _microobservatory(facts: Facts) -> list:
    local = facts.start - datetime.timedelta(hours=7)
    return [
        _raw("EQUINOX = 2000.0 / Epoch of celestial coordinate system used"),
        ("FILENAME", facts.name, "FILENAME + MMddyyHHmmss(GMT)"),
        ("DATE-OBS", _time(local, 3) + "-0700", "Start date & time of observation, LT"),
        ("UT-OBS", facts.start.strftime("%H:%M:%S.%f")[:-3] + "-0000", "Universal Time at start of obs."),
        _raw(f"MJD-OBS = {_julian(facts.start) - 2400000.5:.3f} / Modified Julian Date (MJD) at start"),
        ("OBJECT", facts.target or facts.kind.capitalize(), "Name of object observed"),
        _raw(f"EXPTIME = {facts.exptime:06.2f} / Exposure time in Seconds"),
        ("RA", round(facts.ra, 6), _sexagesimal(facts.ra / 15, ":") + " Right Ascension"),
        ("DEC", round(facts.dec, 6), _sexagesimal(facts.dec, ":", True) + " Declination"),
        ("INSTRUME", "Main", "Camera selected"),
        ("FILTER", "H-alpha" if facts.filter == "Ha" else "Clear", "Filter chosen"),
        _raw(f"CAMTEMP = {facts.temperature + 273.15:.1f} / CCD Camera Temperature in Kelvin"),
        ("TELESCOP", "Cecilia", "Telescope name"),
        _raw("LATITUDE= 31.68 / Local latitude"),
        _raw("LONGITUD= 110.88 / Local longitude"),
        ("CREATOR", "MicroObservatory2014-05-23", "Version of current FITS document"),
    ]


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("nina", _nina, bscale=False),
        Dialect("sgpro", _sgpro, extension="fit"),
        Dialect("asiair", _asiair, extension="fit"),
        Dialect("sharpcap", _sharpcap),
        Dialect("indi", _indi),
        Dialect("maxim", _maxim, extension="fit", bzero=32768.0),
        Dialect("apt", _apt, extension="fit"),
        Dialect("theskyx", _theskyx, extension="fit"),
        Dialect("microobservatory", _microobservatory, extension="FIT"),
    )
}

"""The words `n2n.formats.words` knows: what people and programs write into the names of files and folders.

Every list is lower case, its entries separated by blanks.
"""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(**spellings: str) -> dict[str, str]:
    return {word: kind for kind, words in spellings.items() for word in words.split()}


KINDS = _table(
    light="light lights lightframe lightframes lightsub lightsubs lighty luces luzes luci лайт лайты 亮场 光场 ライト",
    bias="bias biases biasframe biasframes biasy offset offsets zero zeros zeroes zeroframe zeroframes nullbild "
    "nullbilder offsetbild offsetbilder биас биасы 偏置 偏置场 バイアス",
    dark="dark darks darkframe darkframes darksub darksubs darki dunkelbild dunkelbilder dunkelframe dunkelframes "
    "noirs oscuros oscuras bui donkers donkeropnames дарк дарки 暗场 ダーク",
    flat="flat flats flatframe flatframes flatfield flatfields flaty skyflat skyflats domeflat domeflats "
    "twiflat twiflats twilightflat twilightflats autoflat autoflats panelflat panelflats weissbild weissbilder "
    "weißbild weißbilder флэт флэты флет флеты 平场 フラット",
    darkflat="darkflat darkflats flatdark flatdarks dflat dflats 暗平场 ダークフラット フラットダーク",
    master="masterflat masterflats masterdark masterdarks masterbias masterbiases masterlight masteroffset mflat mdark "
    "mbias mzero superbias superdark superflat masterdarkflat masterflatdark",
)
CAPITALS = {"PLU": "flat", "PLUs": "flat"}  # plage de lumière uniforme
# Words of a file's name that say that several exposures are in it.
STACKED = _words(
    "coadd coadds coadded coaddition stacked stack autostack livestack integration integrated median combined combine "
    "drizzle drizzled superstack"
)
MASTERS = _words("master masters maître maitre")
PLURAL = frozenset(
    [word for word, kind in KINDS.items() if kind != "light" and (word.endswith("s") and word != "bias")]
    + [word for word in KINDS if not word.isascii()]
    + ["dunkelbilder", "nullbilder", "weissbilder", "darki", "flaty", "biasy", "lighty", "bui"]
)
WEAK_LIGHT = _words("brut bruts brute brutes rohbild rohbilder science")
# What says something of a frame and names no target, whichever kind stands beside it.
NEUTRAL = _words(
    "frame frames image images img bild bilder aufnahme aufnahmen pose poses toma tomas sub subs shot shots exp expo "
    "expos exposure exposures exptime sec secs second seconds sek min mins ms gain iso temp temperature deg ccd cmos "
    "bin binning binned mode readout raw cal cali calib calibration kalibration library lib set sets seq sequence "
    "series serie batch new old final avg average mean median mono color colour osc neg minus pos plus vis visible "
    "pier north south left right rot rotation rotator angle no nr num part jan feb mar apr may jun jul aug sep sept "
    "oct nov dec january february march april june july august september october november december fit fits fts fz tif "
    "ha hb oiii sii nii lum luminance red green blue clear clr uv ir uvir ircut cls uhc lp halpha oiiisii sloan "
    "lrgb rgb nofilter none filter bessell johnson bayer rggb bggr grbg gbrg "
    "asi zwo qhy qhyccd atik moravian sbig fli apogee canon eos nikon sony fuji pentax qsi touptek toupcam altair "
    "playerone poseidon starlight trius svbony omegon meade celestron risingcam ogma andor pco ikon dwarf seestar "
    "vaonis stellina vespera unistellar camera cam master masters"
)
BESIDE = {
    "flat": _words(
        "sky skies dome twilight twi panel box lamp led el screen tshirt shirt field fields wizard auto evening "
        "morning dusk dawn east west night session himmel dämmerung abend morgen soir matin ciel"
    ),
    "dark": _words("current cooled uncooled warm cold cap capped"),
    "bias": _words("session night"),
    "light": _words("session night east west good panel"),
    "darkflat": _words("panel session night auto"),
}
LINKS = _words("for of de des du pour für fuer fur voor para per and und et with")
NEGATIONS = _words("no non not without sans ohne sin senza minus zonder after before un")
DONE = _words(
    "subtracted subtraction sub'd corrected correction calibrated removed removal fielded fielding divided "
    "applied less free processed reduced"
)
DARK_CATALOGUES = _words("b ldn lbn vdb barnard lynds")
NOT_LIGHT = _words(
    "pollution polluted curve curves echo echoes bridge bridges box panel leak leaks year years trail trails painting "
    "source sources test house houses speed show cone cones bucket"
)
NOT_LIGHT_BEFORE = _words(
    "first moon zodiacal city low no day earth ashen star white northern southern polar street traffic sun guest "
    "search gegenschein back stray ambient flat bias led"
)
ONLY_ALONE = _words("zero zeros zeroes")
WITH_ZERO = _words("frame frames image bias exp exposure zero zeros master s sec ms")

_FOCUS = r"(?:focus|focusing|focussing|fokus|fokussierung|fokussieren|enfoque)"
NOT_SCIENCE = re.compile(
    r"\b(?:snapshots?|snap ?shots?|auto ?focus(?:ing)?|"
    rf"{_FOCUS} (?:run|runs|test|tests|sequence|seq|curve|frames?|shots?|series|images?|check|star)|"
    # Alone at the beginning; but a file's name may tell where the focuser stood.
    rf"^{_FOCUS}\b(?! ?(?:pos|position|positions|er|step|steps|temp|temperature|offset|ratio|al))|"
    r"v ?curves?|bahtinov|mise au point|messa a fuoco|"
    r"plate ?solv(?:e|ed|ing)|polar ?align(?:ment|ing)?|drift ?align(?:ment|ing)?|collimation|kollimation|"
    r"test ?(?:shots?|exposures?|images?|frames?|aufnahmen?|bilder)|guid(?:e|ing) ?(?:cam|camera|log|images?|frames?)|"
    r"preview|framing|cent(?:er|r)ing|all ?sky ?(?:cam|camera))\b"
)
BESIDE_KINDS = re.compile(_FOCUS)

EXPOSURE_WORDS = _words("exp expo expos exposure exposures exptime expt x t pose poses")
OTHER_TIMES = _words(
    "delay wait pause total tot integration int every interval cadence settle dither dt gap period age sum"
)
UNITS = {
    **dict.fromkeys(["s", "sec", "secs", "second", "seconds", "sek", "sekunden", "secondes"], 1.0),
    **dict.fromkeys(["ms", "msec"], 1e-3),
    **dict.fromkeys(["us", "µs", "μs"], 1e-6),
    **dict.fromkeys(["min", "mins", "minute", "minutes", "minuten"], 60.0),
}
_LONG_UNITS = "sekunden|secondes|seconds|second|secs|sec|sek|msec|minuten|minutes|minute|mins|min"
TIME = re.compile(
    rf"(?<![\d.,])(?:(?P<minutes>\d{{1,3}})m(?:in)?)?(?P<number>\d{{1,5}}(?:[.,]\d+)?)"
    rf"(?:(?P<short>ms|us|µs|μs|s|S)|[ _-]?(?P<long>(?i:{_LONG_UNITS})))(?![^\W\d_])(?![\d])"
)
# 05h35m17s, -05d23m28s, 22-15-10s: a coordinate, or the time of the day.
CLOCK = re.compile(r"(?:\d[hd:°]\d{0,2}m?|\d[-:]\d\d[-:])$", re.I)

"""Names from outside, of nights above all: which of them can be used, and how they fit into a file's name."""

import re
import shlex

RESERVED = ("logs", "masters", "models", "season", "study")  # n2n's own folders in results
LONGEST = 255  # bytes a file's name may have

# What rules/*.smk call the changing parts of a path; `n` is snakemake's own, for its locks.
WILDCARDS = (
    *("night", "group", "chunk", "treatment", "key", "target", "palette", "model", "id"),
    *("noise", "activation", "targets", "seed", "n"),
)
# Longest first: snakemake takes the first that fits, and does not try again.
_NAMES = "|".join(sorted(WILDCARDS, key=len, reverse=True))
_WILDCARD = re.compile(rf"\{{\s*(?:{_NAMES})\s*(?:,|\}})")
_ANY_WILDCARD = re.compile(r"\{\s*[.\w]+\s*(?:,|\})|<[a-z][a-z0-9_]*>")


def why_unusable(name: str, literal: bool = True) -> str:
    """Tell why a path, or a part of one, cannot be used in a workflow; an empty text where it can.

    Parameters
    ----------
    name : str
        As the system gives it.
    literal : bool
        Whether braces mean themselves (`braces_mean_themselves`).
    """
    if not name.isprintable():
        return "has characters that cannot be printed"
    if found := (_WILDCARD if literal else _ANY_WILDCARD).search(name):
        return f"contains {found[0].rstrip(',')!r}, which snakemake takes for a part that changes"
    return ""


def why_no_night(name: str, literal: bool = True) -> str:
    """Tell why a folder of this name cannot be a night, as `why_unusable` does."""
    if name in RESERVED:
        return f"is that of a folder which n2n keeps in the results ({', '.join(RESERVED)})"
    return why_unusable(name, literal)


def shown(name: str) -> str:
    """The name with what cannot be printed written as an escape, for messages."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def shortened(text: str, most: int) -> str:
    """The beginning of a text that takes at most `most` bytes of UTF-8."""
    return text.encode("utf-8", "surrogateescape")[: max(most, 0)].decode("utf-8", "ignore")


def braces_mean_themselves() -> bool:
    """Keep snakemake from taking every ``{word}`` in a path for a wildcard, and every ``<word>`` for a variable.

    Folders of nights, results and models may be called so, and snakemake has no way of writing a brace that is one:
    names from input functions, too, are read as patterns. Afterwards only the names in `WILDCARDS` are special. Nor
    does it stop any more at a name in which something is repeated twenty times: no rule here feeds on itself.
    To be called before any rule is defined, in every process of a run.

    Returns
    -------
    bool
        False where this version of snakemake is built otherwise; nothing has been changed then.
    """
    try:
        import snakemake.io
        from snakemake import pathvars
        from snakemake_interface_storage_plugins import io as patterns

        general = patterns.WILDCARD_REGEX.pattern
        place = r"(?P<name>[.\w]+)"
        known = place in general and snakemake.io.WILDCARD_REGEX.pattern == general and pathvars.PATHVAR_REGEX
    except (ImportError, AttributeError):
        return False
    if not known:
        return snakemake.io.WILDCARD_REGEX.pattern == general and f"(?P<name>{_NAMES})" in general
    special = re.compile(general.replace(place, f"(?P<name>{_NAMES})"), patterns.WILDCARD_REGEX.flags)
    patterns.WILDCARD_REGEX = snakemake.io.WILDCARD_REGEX = special
    pathvars.PATHVAR_REGEX = re.compile(r"(?!)")
    if hasattr(snakemake.io, "PeriodicityDetector"):
        snakemake.io.PeriodicityDetector.is_periodic = lambda self, value: None
    return True


def why_not_on_a_cluster(name: str) -> str:
    """Tell why jobs of other machines cannot be told a name, or an empty text where they can.

    Snakemake writes names into the scripts it hands to a cluster in Python's quotes, not in a shell's, and parts them
    at commas: what a shell acts on inside such quotes would be run.
    """
    found = sorted(set(name) & set("'\"\\,$`!"))
    return f"has {' '.join(found)} in it" if found else ""


def too_long_for(folder: str, words: int, longest: str) -> str:
    """Tell why commands of many words cannot be run in a folder, or an empty text where they can.

    Commands of more than 64 kB are run by snakemake from a file whose path, that of the folder, stands in double
    quotes: what a shell acts on there would be run.

    Parameters
    ----------
    folder : str
        Where the workflow runs.
    words : int
        Files a command takes.
    longest : str
        The longest of their names.
    """
    quoted = shlex.quote(longest).replace("'", "'\\''")
    found = sorted(set(folder) & set('"\\$`'))
    return f"has {' '.join(found)} in it" if found and words * (len(quoted) + 1) > 50_000 else ""

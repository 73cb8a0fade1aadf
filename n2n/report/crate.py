"""What a night's results are and what they were made from, as entities of an RO-Crate."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from n2n import __version__
from n2n.formats.networks import weights_file
from n2n.report.words import headline, reasons_of, verdict_of

CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
FORMATS = dict.fromkeys((".fits", ".fit", ".fts"), "application/fits") | {
    ".json": "application/json",
    ".csv": "text/csv",
    ".html": "text/html",
    ".png": "image/png",
}
OF_GROUP = {
    "denoised.fits": "the product: image, variance, mask, coverage, plain stack and provenance",
    "stack.fits": "the plain stack",
    "assessment.json": "gates, gains and exposures; described by assessment.schema.json of n2n",
    "inject.json": "stars and nebulae of known light that went through the same network",
    "changed_sources.csv": "sources that denoising changed by more than 3 sigma, a check list",
    "before_after.png": "stack and product side by side",
    "preview.png": "the whole field",
}
OF_NIGHT = {
    "report.html": "the night's report",
    "summary.csv": "one row a group",
    "frames.csv": "every frame that was found",
    "quarantine.csv": "files that were set aside, with the reason",
    "settings.json": "settings of n2n, defaults filled in",
}


@dataclass(frozen=True)
class Made:
    """A group's results and what is known of how they were made.

    Attributes
    ----------
    name : str
        The group's folder.
    facts : dict
        assessment.json.
    ended : str
        When the product was finished (`end_of`).
    masters : dict
        Masters of its exposures: file below the folder of results, and SHA-256.
    """

    name: str
    facts: dict
    ended: str
    masters: dict[str, str]


def describe_group(crate: "Crate", group: Made, digests: dict[str, str]) -> None:
    """Add a group's files and the action that made them.

    Parameters
    ----------
    crate : Crate
        Gets the entries.
    group : Made
        What was made of the group.
    digests : dict
        SHA-256 of the night's exposures by path.
    """
    facts = group.facts
    results = [crate.file(f"{group.name}/{name}", words) for name, words in OF_GROUP.items()]
    inputs = [crate.elsewhere(sha256_of(frame, digests), frame["filename"]) for frame in facts["frames"]]
    inputs += ["settings.json", crate.file(f"{group.name}/calibration.json", "which masters were chosen, and why")]
    inputs += [crate.elsewhere(digest, name) for name, digest in group.masters.items()]
    model = facts.get("model") or {}
    if model:
        inputs.append(crate.elsewhere(model["weights_sha256"], weights_file(model)))
    said = headline(facts) if verdict_of(facts) == "PASS" else " ".join(reasons_of(facts))
    crate.action(
        facts.get("prov_id") or f"#{group.name}", f"{facts['group']}: from exposures to product", inputs, results,
        description=f"{verdict_of(facts)}: {said}", endTime=group.ended,
    )  # fmt: skip


def describe_composite(crate: "Crate", name: str, words: str, sources: list[str]) -> None:
    """Add a colour composite and the action that made it.

    Parameters
    ----------
    crate : Crate
        Gets the entries.
    name : str
        The picture's file.
    words : str
        What it shows.
    sources : list of str
        The products it was made of.
    """
    results = [crate.file(name, words)]
    crate.action(f"#{name.removesuffix('.png')}", "n2n colour", sources, results, description=words)


def sha256_of(frame: dict, digests: dict) -> str:
    """Digest of an exposure, from its assessment or the list of frames."""
    return frame.get("sha256") or digests.get(frame["filename"], "")


def end_of(header: Mapping) -> str:
    """When a product was finished, by the last line of history in its header."""
    history = [str(line).split()[0] for line in header.get("HISTORY", []) if str(line).strip()]
    return (history[-1] if history else header.get("DATE", "1970-01-01T00:00:00")) + "Z"


def media_type(name: str) -> str:
    """Media type by the name; compressed FITS is FITS."""
    suffixes = [suffix for suffix in Path(name).suffixes if suffix.lower() in FORMATS]
    return FORMATS[suffixes[-1].lower()] if suffixes else "application/octet-stream"


def home(package: str, version: str) -> str:
    """Where a version of a package is described."""
    if package == "python":
        return f"https://docs.python.org/release/{version}/"
    return f"https://pypi.org/project/{package}/{version.partition('+')[0]}/"


class Crate:
    """Entities of a crate whose root is a folder.

    Parameters
    ----------
    look : callable
        Name of a file below the root to its size in bytes and its SHA-256; None where it is not there.
    """

    def __init__(self, look: Callable[[str], tuple[int, str] | None]):
        self.look = look
        self.parts: dict[str, dict] = {}
        self.actions: list[dict] = []

    def file(self, name: str, words: str) -> str:
        """Add a file below the root, if it is there; returns its id."""
        identity = quote(name)
        if identity not in self.parts and (found := self.look(name)):
            size, digest = found
            self.parts[identity] = {
                "@id": identity,
                "@type": "File",
                "name": name,
                "description": words,
                "encodingFormat": media_type(name),
                "contentSize": str(size),
                "sha256": digest,
            }
        return identity

    def elsewhere(self, digest: str, name: str) -> str:
        """Add a file that lies elsewhere, known by its SHA-256; returns its id."""
        if not digest:
            return quote(name)
        identity = "ni:///sha-256;" + base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
        known = {"@id": identity, "@type": "File", "name": Path(name).name, "alternateName": name}
        known |= {"encodingFormat": media_type(name), "sha256": digest}
        self.parts.setdefault(identity, known)
        return identity

    def action(self, identity: str, name: str, inputs: list[str], results: list[str], **more) -> None:
        """Add what was done.

        Parameters
        ----------
        identity, name : str
            Its id and its name.
        inputs, results : list of str
            Ids of files; those that are no part of the crate are left out.
        **more
            Further facts.
        """
        there = [[{"@id": part} for part in dict.fromkeys(parts) if part in self.parts] for parts in (inputs, results)]
        facts = {"@id": identity, "@type": "CreateAction", "name": name, "instrument": {"@id": "#n2n"}}
        self.actions.append(facts | {"object": there[0], "result": there[1]} | more)

    def document(self, name: str, description: str, ended: str, versions: dict[str, str]) -> dict:
        """The whole of ro-crate-metadata.json.

        Parameters
        ----------
        name, description : str
            Of the night.
        ended : str
            When its last product was finished.
        versions : dict
            Of n2n and the packages it used.
        """
        about = {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"}}
        about["conformsTo"] = {"@id": "https://w3id.org/ro/crate/1.1"}
        root = {
            "@id": "./",
            "@type": "Dataset",
            "conformsTo": {"@id": PROFILE},
            "name": name,
            "description": description,
            "datePublished": ended,
            "license": "as the observer of the raw frames decides",
            "hasPart": [{"@id": part} for part in self.parts],
            "mentions": [{"@id": action["@id"]} for action in self.actions],
        }
        profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
        needed = {package: version for package, version in versions.items() if package != "n2n"}
        tool = {"@id": "#n2n", "@type": "SoftwareApplication", "name": "n2n"}
        tool |= {"softwareVersion": versions.get("n2n", __version__)}
        packages = [
            {
                "@id": home(package, version),
                "@type": "SoftwareApplication",
                "name": package,
                "url": home(package, version),
            }
            | {"softwareVersion": version}
            for package, version in needed.items()
        ]
        tool["softwareRequirements"] = [{"@id": package["@id"]} for package in packages]
        graph = [about, root, profile, tool, *packages, *self.actions, *self.parts.values()]
        return {"@context": CONTEXT, "@graph": graph}

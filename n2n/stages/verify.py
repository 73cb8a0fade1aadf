"""`n2n verify`: check a FITS file n2n wrote, and say in plain words where it came from.

Checks CHECKSUM and DATASUM of every HDU, the SHA-256 of every raw frame that can be found, the SHA-256 of
the network, and the seals of all files in the product's folder that it was made from, masters included. What has
been deleted to save space is not missed. Exit status 1 on any mismatch.
"""

import hashlib
import warnings
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from n2n.errors import BadFrame, UserError
from n2n.formats import checksum, sealed
from n2n.formats.fits import sha256_file
from n2n.formats.hdus import walk
from n2n.formats.tables import read_csv, read_json
from n2n.formats.treatment import MASTER_KINDS
from n2n.group.group import Group

# What astropy raises on damaged headers and tables.
DAMAGED = (OSError, TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError, fits.VerifyError)

# What lies beside a product that it was made from.
STORES = ("pairs.h5", "registered-*.h5", "candidate.h5")
TABLES = ("vetted-*.json", "measured-*.json", "reference.json", "calibration.json", "inject.json", "assessment.json")
PRIOR = "n2n/nets/prior.md"  # what DNMFILE says of the network that comes with n2n


def add_arguments(parser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", type=Path, help="denoised.fits, stack.fits, or an exposure of frames/")
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the raw nights")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of the models")


def run(args) -> int:
    """Execute the check; returns 1 on any mismatch."""
    try:
        problems, story = verify(args.file, args.raw, args.models)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or args.file}: {error.strerror or error}") from error
    print("\n".join(story))
    for problem in problems:
        print(f"MISMATCH: {problem}")
    print("verified: everything that could be checked is as written" if not problems else "NOT verified")
    return 1 if problems else 0


def verify(path: Path, raw: Path, models: Path) -> tuple[list[str], list[str]]:
    """Check one product.

    Returns
    -------
    problems : list of str
        Empty when everything matches.
    story : list of str
        Where the image came from, a sentence a line.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    problems = checksum_problems(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path, memmap=False) as hdus:
                header = hdus[0].header
                list(header.items())  # parses every card
                if "PROVENANCE" not in hdus:
                    raise UserError(f"{path} has no PROVENANCE table: n2n did not write it, or it is damaged")
                exposures = [(row["FILENAME"], row["SHA256"], bool(row["USED"])) for row in hdus["PROVENANCE"].data]
    except DAMAGED as error:
        raise UserError(f"{path} is damaged: {'; '.join(problems) or error}") from error
    story = tell(path, header, exposures)
    problems += problems_of_sources(path, story)
    found, wrong = 0, 0
    for name, digest, _ in exposures:
        file = next((file for file in (raw / unquote(name), raw / name) if file.is_file()), None)
        if file is None:
            continue
        found += 1
        if sha256_file(file) != digest:
            wrong += 1
            problems.append(f"{file} is not the frame that was used (SHA-256 differs)")
    story.append(f"{found - wrong} of {len(exposures)} raw frames found under {raw} and unchanged.")
    if "DNMODEL" in header:
        problems += model_problems(header, models, story)
    return problems, story


def checksum_problems(path: Path) -> list[str]:
    """HDUs whose CHECKSUM or DATASUM is missing or wrong, byte by byte, and anything behind the last of them."""
    with open(path, "rb") as file:
        if file.read(2) == b"\x1f\x8b":
            raise UserError(f"{path} is compressed; unpack it first")
    try:
        hdus = walk(path, max_bytes=1 << 62)
    except BadFrame as error:
        raise UserError(f"{path} is damaged, or no FITS file: {error}") from error
    return [f"{path}: {problem}" for problem in checksum.problems(path, hdus)]


def problems_of_sources(path: Path, story: list[str]) -> list[str]:
    """Files beside a product that it was made from and that are not as they were written, each with the remedy."""
    folder = path.resolve().parent
    if folder.name == "frames":  # exposures of their own lie in a folder of the group's
        folder = folder.parent
    masters = [folder.parent.parent / "masters" / f"{name}.fits" for name in masters_of(folder)]
    checks = {path: checksum.check for path in [folder / "stack.fits", *masters] if path.is_file()}
    checks |= {file: sealed.check for name in STORES for file in folder.glob(name)}
    checks |= {file: read_json for name in TABLES for file in folder.glob(name)}
    checks.pop(path.resolve(), None)
    older = [file for file in checks if sealed.never_sealed(file)]
    problems = []
    for file in sorted(checks.keys() - set(older)):
        try:
            checks[file](file)
            if file.name == "pairs.h5":
                Group(file)  # made of the registered files that are here
        except UserError as error:
            if "is missing" not in str(error):  # deleted to save space
                problems.append(str(error))
    story.append(f"{len(checks) - len(older)} files beside it that it was made from were checked.")
    if older:
        story.append(f"{len(older)} more were written by an older n2n, without a seal, and were not.")
    return problems


def masters_of(folder: Path) -> list[str]:
    """Names of the masters that the exposures of a group were calibrated with."""
    rows = [row for table in sorted((folder / "chunks").glob("*.csv")) for row in read_csv(table)]
    return sorted({row[kind] for row in rows for kind in MASTER_KINDS if row.get(kind)})


def model_problems(header, models: Path, story: list[str]) -> list[str]:
    """Compare the weights on disk with the digest in the header."""
    if header.get("DNMFILE") == PRIOR:
        digest = hashlib.sha256((files("n2n") / "nets/prior.safetensors").read_bytes()).hexdigest()
        same = f"sha256:{digest}" == header["DNMODEL"]
        story.append(f"That network is {'the one' if same else 'not the one, and was not checked,'} of this n2n.")
        return []
    folder = models / Path(header.get("DNMFILE", "")).parent
    weights = folder / "model.safetensors"
    if not weights.is_file():
        story.append(f"The network {folder} is not here and was not checked.")
        return []
    try:
        trained_on = read_json(folder / "model.json", unsealed=True).get("frames", [])
    except UserError as error:
        return [str(error)]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if f"sha256:{digest}" != header["DNMODEL"]:
        return [f"{weights} is not the network that made this image (SHA-256 differs)"]
    story.append(f"The network {weights} is the one that made it, trained on {len(trained_on)} exposures.")
    return []


def tell(path: Path, header, exposures) -> list[str]:
    """Where the image came from, in plain words."""
    used = sum(use for _, _, use in exposures)
    made_of = "one exposure" if used == 1 else f"mean of {used} exposures"
    others = f"; {len(exposures) - used} more were left out" if used < len(exposures) else ""
    target = header.get("OBJECT", "an unnamed target")
    total = header.get("TOTEXP")
    time = f", {total / 60:.0f} minutes in all" if total and used > 1 else f" of {total:g} s" if total else ""
    story = [
        f"{path.name}: {target} through {header.get('FILTCAN', 'an unknown filter')}, {made_of}{time}{others}.",
        f"Made by n2n {header.get('PIPEVER', '?')}, unit {header.get('BUNIT', '?')}, linear, nothing clipped.",
    ]
    if header.get("PROCTYPE") == "DENOISED":
        if header.get("DNMFILE") == PRIOR:
            story.append("Denoised by the network that comes with n2n, which has seen no exposure of yours.")
        else:
            story.append(
                f"Denoised by a network trained on {header.get('DNGROUP', '?')} ({header.get('DNSTEPS', '?')} steps, "
                f"seed {header.get('DNSEED', '?')}, on {header.get('DNDEVICE', '?')})."
            )
        if "QAGAIN" in header:
            story.append(
                f"Judged on held-out exposures: {header.get('QASTAT', '?')}, "
                f"worth {header['QAGAIN']:.1f} +- {header.get('QAGAINER', float('nan')):.1f} times the exposures."
            )
        else:
            story.append(f"Not judged: {header.get('QAREASON', '?')}.")
    else:
        reason = header.get("QAREASON")
        story.append("Not denoised: this is the plain stack" + (f" ({reason})." if reason else "."))
    return story

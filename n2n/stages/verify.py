"""`n2n verify`: check a FITS file n2n wrote, and say in plain words where it came from.

Checks CHECKSUM and DATASUM of every HDU, the SHA-256 of every raw frame that can be found, and the SHA-256 of
the network. Exit status 1 on any mismatch.
"""

import hashlib
import warnings
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from n2n.errors import BadFrame, UserError
from n2n.formats import checksum
from n2n.formats.fits import sha256_file
from n2n.formats.hdus import BLOCK, walk
from n2n.formats.tables import read_json

# What astropy raises on damaged headers and tables.
DAMAGED = (OSError, TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError, fits.VerifyError)

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
    content, problems, end = np.memmap(path, np.uint8, "r"), [], 0
    for hdu in hdus:
        name = hdu.cards.get("EXTNAME") or ("the primary image" if hdu.index == 0 else f"HDU {hdu.index}")
        end = hdu.offset + hdu.size + -hdu.size % BLOCK
        total = checksum.of_bytes(content[hdu.offset : end])
        missing = [key for key in ("CHECKSUM", "DATASUM") if key not in hdu.cards]
        if missing:
            problems.append(f"{path}: {name} has no {' and no '.join(missing)}")
        elif hdu.cards["DATASUM"] != str(total):
            problems.append(f"{path}: the data of {name} were changed (DATASUM differs)")
        elif not checksum.is_zero(checksum.of_bytes(hdu.raw, total)):
            problems.append(f"{path}: the header of {name} was changed (CHECKSUM differs)")
    if content.size != end:
        problems.append(f"{path}: {abs(content.size - end)} bytes too {'many' if content.size > end else 'few'}")
    return problems


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
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if f"sha256:{digest}" != header["DNMODEL"]:
        return [f"{weights} is not the network that made this image (SHA-256 differs)"]
    story.append(f"The network {weights} is the one that made it, trained on {len(frames_of(folder))} exposures.")
    return []


def frames_of(folder: Path) -> list:
    """Exposures a model was trained on."""
    return read_json(folder / "model.json").get("frames", [])


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

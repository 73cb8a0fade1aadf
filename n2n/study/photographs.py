"""Photographs on disk: found, read, chosen for training and for judging, and written."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from n2n.errors import UserError
from n2n.formats.atomic import atomic_path
from n2n.log import logger

Named = list[tuple[str, np.ndarray]]  # names and pixels, uint8, shape (h, w, 3)

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
# Colour photographs inside scikit-image's wheel. Neither list holds motorcycle_right.png: it shows the scene of
# motorcycle_left.png, and no scene may be trained on and judged.
BUILTIN_TRAINING = (
    "astronaut.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
)
BUILTIN_VALIDATION = ("chelsea.png", "rocket.jpg")
BUILTIN_SIDE = 512  # pixels on the long side at most


def find_photographs(folder: Path) -> list[Path]:
    """All image files below a folder, sorted by path.

    Hidden files are left out: macOS puts a ``._name.jpg`` that is no image beside every image it copies.

    Raises
    ------
    UserError
        The folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder that holds the photographs")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise UserError(f"no photographs in {folder}; put image files there ({kinds})")
    return found


def read_photograph(path: Path) -> np.ndarray:
    """One photograph as RGB, turned as its EXIF orientation says.

    Values stay as they are stored, without gamma or colour management: a loader that applies a gamma turns
    the 32.45 dB of Kodak into 32.97 dB (README of SSDN). Grey is repeated, alpha dropped.

    Returns
    -------
    uint8 ndarray, shape (h, w, 3)

    Raises
    ------
    UserError
        The file cannot be read, or holds one channel of more than 8 bits, which would have to be scaled.
    """
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise UserError(f"{path} holds more than 8 bits per value; save it with 8 bits or remove it")
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"cannot read the photograph {path} ({error}); replace or remove it") from error


def builtin_photographs() -> tuple[Named, Named]:
    """Colour photographs that come with scikit-image, at most 512 pixels on the long side; nothing is downloaded.

    Returns
    -------
    training, validation : list of (name, uint8 ndarray of shape (h, w, 3))

    Raises
    ------
    UserError
        The installed scikit-image lacks one of them.
    """
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    missing = [name for name in BUILTIN_TRAINING + BUILTIN_VALIDATION if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"scikit-image {skimage.__version__} has no {', '.join(missing)} in {folder}; "
            "install its wheel from PyPI or give a folder of photographs"
        )
    training, validation = (
        [(name, _reduced(read_photograph(folder / name))) for name in names]
        for names in (BUILTIN_TRAINING, BUILTIN_VALIDATION)
    )
    return training, validation


def _reduced(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.thumbnail((BUILTIN_SIDE, BUILTIN_SIDE), Image.Resampling.LANCZOS)
    return np.array(image)


def read_folder(folder: Path) -> Named:
    """Every photograph in a folder, by its path below it: names alone may repeat between sub-folders."""
    return [(path.relative_to(folder).as_posix(), read_photograph(path)) for path in find_photographs(folder)]


def training_and_validation(photos: Path | None, valid: Path | None) -> tuple[Named, Named]:
    """Photographs to train on and others to judge by.

    Parameters
    ----------
    photos : Path, optional
        Folder to train on; without it, those that come with scikit-image.
    valid : Path, optional
        Folder to judge by; without it, every eighth of `photos` (at least one of two) is kept back for that.

    Raises
    ------
    UserError
        `photos` holds one photograph and there is no other to judge by.
    """
    if not photos:
        training, validation = builtin_photographs()
        return training, read_folder(valid) if valid else validation
    training = read_folder(photos)
    if valid:
        return training, read_folder(valid)
    if len(training) < 2:
        raise UserError(f"{photos} holds one photograph; 2 are needed, one of them to judge by, or --valid")
    validation = training[:: max(2, len(training) // 8)]
    names = {name for name, _ in validation}
    return [named for named in training if named[0] not in names], validation


def read_pairs(one: Path, other: Path) -> tuple[Named, Named]:
    """Photographs of the same names in two folders, in one order.

    Raises
    ------
    UserError
        Fewer than two names in common, or two of one name differ in size.
    """
    first, second = (dict(read_folder(folder)) for folder in (one, other))
    names = sorted(first.keys() & second.keys())
    if len(names) < 2:
        raise UserError(f"{one} and {other} have {len(names)} file names in common; 2 are needed")
    for name in names:
        if first[name].shape != second[name].shape:
            raise UserError(f"{name} differs in size between {one} and {other}; pairs must match")
    lonely = len(first) + len(second) - 2 * len(names)
    if lonely:
        logger.warning("%d photographs without a partner were left out", lonely)
    return [(name, first[name]) for name in names], [(name, second[name]) for name in names]


def digest_of(photographs: Named) -> str:
    """SHA-256 of names and pixels."""
    digest = hashlib.sha256()
    for name, pixels in photographs:
        digest.update(name.encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()


def picture_format(path: Path) -> str:
    """Pillow's name of the format that a file's suffix stands for; UserError where it cannot be written."""
    kind = Image.registered_extensions().get(path.suffix.lower(), "")
    if kind not in Image.SAVE:  # of some, like FITS, Pillow knows how to read them only
        raise UserError(f"{path}: unknown kind of picture; use .png, .tif or .jpg")
    return kind


def write_photograph(path: Path, pixels: np.ndarray) -> None:
    """Write 8-bit pixels of shape (h, w, 3); the suffix decides the format."""
    kind = picture_format(path)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format=kind)

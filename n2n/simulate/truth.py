"""Read back what a simulated night really contained."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2n.errors import UserError


def load_truth(truth_dir: str | Path) -> dict:
    """Read ``truth.json`` of a simulated night.

    Parameters
    ----------
    truth_dir : path
        ``<out>/../truth/<night>`` unless the night was made with its own truth folder.

    Returns
    -------
    dict with

    ``night``
        How the night was made: name, seed, scene_seed, size (width, height), dialect, preset, and where there are any
        the ``faults`` (`n2n.simulate.strange.FAULTS`).
    ``lights``
        One dict per light: ``file, group, number``, the state of mount and sky (``dx, dy`` px, ``rotation``
        and ``track_angle`` in degrees, ``transparency``, ``fwhm`` px, ``sky`` e-/px, ``track_px``), the
        flags ``cloudy, elongated, truncated, trail, faint_trail, aircraft``, ``cosmic_rays``: rows of column, row,
        e-, and ``trails``: dicts of `n2n.simulate.trails.Trail`. Where the camera has telegraph pixels, every
        frame lists those at their upper level as ``telegraph``: rows of column, row, e-.
    ``calibration``
        One dict per dark: ``file, kind, cosmic_rays``; for the other frames file and kind.
    ``groups``
        By name: ``target, filter, exptime`` s, ``sky`` e-/px, ``gain_setting, e_per_adu, read_noise`` e- (typical),
        ``saturation`` e-, ``stars``: rows of x, y (reference coordinates, px) and flux (e- per exposure at
        transparency 1), ``hot_pixels``: rows of column, row, excess e- per exposure, ``telegraph_pixels``: rows
        of column, row, jump e-.
    ``camera``
        ``dead_columns``, ``dead_pixels`` (rows of column, row), ``offset_adu``, ``dark_current`` e-/s.
    """
    path = Path(truth_dir) / "truth.json"
    if not path.is_file():
        raise UserError(f"{path} is missing; `n2n simulate` writes it beside the night it makes")
    return json.loads(path.read_text(encoding="utf-8"))


def noiseless(truth_dir: str | Path, light_file_name: str) -> NDArray[np.float32]:
    """Expected e-/px of one light with its sky, before flat field, dark signal and noise.

    It is what a perfect calibration of this exposure gives: the sky as the telescope saw it, in the seeing, focus and
    place of that moment, with gradients and halos. What the camera adds, bends or spills is not in it, nor is what
    masters do not know.

    Parameters
    ----------
    truth_dir : path
        As for `load_truth`.
    light_file_name : str
        With or without folder and extension.

    Returns
    -------
    float32 array, shape (height, width).
    """
    name = Path(light_file_name).name
    stem = name.rsplit(".", 1)[0] if name.lower().endswith((".fits", ".fit", ".npy")) else name
    path = Path(truth_dir) / f"{stem}.npy"
    if not path.is_file():
        raise UserError(f"{path} is missing; is {name} a light of this simulated night?")
    return np.load(path)

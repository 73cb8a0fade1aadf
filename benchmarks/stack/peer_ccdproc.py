"""Masters to stack with ccdproc and astroalign; started by run.py in their own environment."""

import json
import sys
from pathlib import Path

import astroalign
import astropy.units as u
import ccdproc
import numpy as np
from astropy.nddata import CCDData
from astropy.stats import mad_std


def main() -> None:
    work = Path(sys.argv[1])
    lists = json.loads((work / "frames.json").read_text())
    clip = {
        "method": "average",
        "sigma_clip": True,
        "sigma_clip_low_thresh": 3,
        "sigma_clip_high_thresh": 3,
        "sigma_clip_func": np.ma.median,
        "sigma_clip_dev_func": mad_std,
        "mem_limit": 2e9,
        "dtype": np.float32,
    }

    def read(path):
        return CCDData.read(path, unit="adu")

    bias = ccdproc.combine(lists["bias"], unit="adu", **clip)
    dark = ccdproc.combine(lists["dark"], unit="adu", **clip)
    flats = [ccdproc.subtract_bias(read(path), bias) for path in lists["flat"]]
    flat = ccdproc.combine(flats, scale=lambda image: 1 / np.median(image), **clip)
    reference, aligned = None, []
    for path in lists["light"]:
        light = ccdproc.subtract_dark(read(path), dark, exposure_time="EXPTIME", exposure_unit=u.second)
        light = ccdproc.flat_correct(light, flat)
        data = np.asarray(light.data, np.float32)
        if reference is None:
            reference = data
            aligned.append(CCDData(data, unit="adu"))
            continue
        try:
            moved, missing = astroalign.register(data, reference)
        except astroalign.MaxIterError:
            print("left out", path)
            continue
        moved = moved + np.float32(np.median(reference) - np.median(moved[~missing]))
        aligned.append(CCDData(moved.astype(np.float32), unit="adu", mask=missing))
    result = ccdproc.combine(aligned, **clip)
    CCDData(np.asarray(result.data, np.float32), unit="adu").write(work / "result.fits", overwrite=True)


if __name__ == "__main__":
    main()

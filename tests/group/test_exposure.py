import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from n2n.group.exposure import Exposure, Measured, Placement, Weight, total_exposure

ROW = {
    "path": "2026-10-03/LIGHT/M31_L_0001.fits",
    "sha256": "a" * 64,
    "group": "M31_L",
    "batch": "2",
    "filter": "L",
    "exptime_s": "60",
    "date_obs": "2026-10-03T20:00:00",
    "width": "256",
    "height": "240",
    "saturate_adu": "",
    "pedestal_adu": "-100",
    "stage": "",
    "evidence": "kind: folder",
    "dark": "dark-1",
}


def whole():
    """An exposure at the end of its way."""
    measured = Measured(2, 3.1, None, 100.5, 8.0, np.array([[1.5, 2.5, 900.0], [3.0, 4.0, 800.0]]))
    placement = Placement(
        np.array([[1.0, 0.1, 4.0], [-0.1, 1.0, 5.0]]),
        0.1,
        40,
        "stars",
        None,
        0.9,
        0.7,
        0.1,
        0.95,
        np.array([1.0, 0, 2]),
    )
    weighed = Weight(1.1, 9.0, 0.2, 3, "A")
    return replace(Exposure.from_row(ROW), measured=measured, placement=placement, weighed=weighed)


def test_a_row_of_text_is_turned_into_numbers_once():
    exposure = Exposure.from_row(ROW)
    assert (exposure.exptime_s, exposure.width, exposure.height, exposure.batch) == (60.0, 256, 240, 2)
    assert exposure.saturate_adu is None and exposure.pedestal_adu == 100 and exposure.stage == "raw"
    assert (exposure.night, exposure.group, exposure.name) == ("2026-10-03", "M31_L", "M31_L_0001.fits")
    assert Exposure.from_row({"path": "n/a.fits"}).exptime_s is None


def test_no_stage_can_fill_an_exposure_in():
    with pytest.raises(FrozenInstanceError):
        whole().placement = None
    with pytest.raises(FrozenInstanceError):
        whole().weighed.block = "C"


def test_an_exposure_travels_as_one_flat_object_and_comes_back_as_it_was():
    content = whole().to_json(stars=True)
    assert content | ROW == content and content["rejected"] == [] and content["block"] == "A"
    assert (content["fwhm_px"], content["ellipticity"], content["matrix"][0]) == (3.1, None, [1, 0.1, 4])
    assert "distortion" not in content, "what was not needed is not there"
    back = Exposure.from_json(json.loads(json.dumps(content)))
    assert back.to_json(stars=True) == content and back.weighed == whole().weighed
    np.testing.assert_array_equal(back.measured.stars, whole().measured.stars)
    assert "stars" not in whole().to_json() and Exposure.from_json(whole().to_json()).measured.stars is None


def test_an_exposure_that_is_left_out_keeps_what_was_found_until_then():
    far = replace(Exposure.from_row(ROW).left_out("overlap: too little"), placement=Placement(np.eye(2, 3), 0.2, 9))
    back = Exposure.from_json(far.to_json())
    assert back.rejected == ("overlap: too little",) and back.placement.rms_px == 0.2
    assert back.placement.overlap is None and back.weighed is None and back.measured is None and back.fwhm_px is None


def test_without_stars_the_list_is_empty():
    nothing = replace(whole(), measured=Measured(0, None, None, 1.0, 1.0, np.empty((0, 3))))
    assert Exposure.from_json(nothing.to_json(stars=True)).measured.stars.shape == (0, 3)
    unreadable = Exposure.from_row(ROW).left_out("truncated: ends early")
    assert unreadable.to_json(stars=True)["stars"] == []


def test_the_time_of_exposures_is_none_where_no_row_tells_it():
    untimed = Exposure.from_row(ROW | {"exptime_s": ""})
    assert total_exposure([whole(), whole(), untimed]) == 120 and total_exposure([untimed]) is None

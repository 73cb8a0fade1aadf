import numpy as np
import pytest

from n2n.simulate import recipe
from n2n.simulate.optics import Conditions, render, render_diffuse, render_stars, to_frame
from n2n.simulate.scene import MARGIN, Scene, canvas_shape

SHAPE = (200, 260)
TURNED = Conditions(dx=5.3, dy=-7.8, rotation=0.3, transparency=0.8, fwhm=3.1, sky=2.0)


def test_stars_keep_their_flux():
    x, y = (a.ravel() for a in np.meshgrid(np.arange(40, 221, 60.0), np.arange(40, 161, 60.0)))
    flux = np.geomspace(10, 1e5, x.size)
    dark_sky = Scene(np.zeros(canvas_shape(SHAPE), np.float32), x, y, flux)
    frame = render(dark_sky, SHAPE, TURNED).astype(float) - TURNED.sky
    for fx, fy, expected in zip(*to_frame(x, y, SHAPE, TURNED), flux, strict=True):
        row, column = round(fy), round(fx)
        box = frame[row - 28 : row + 29, column - 28 : column + 29]
        assert box.sum() == pytest.approx(TURNED.transparency * expected, rel=0.01)


def test_stars_and_nebula_move_together():
    canvas = np.zeros(canvas_shape(SHAPE), np.float32)
    x, y = np.array([30.0, 200.0]), np.array([150.0, 60.0])
    canvas[y.astype(int) + MARGIN, x.astype(int) + MARGIN] = 1000
    as_nebula = render_diffuse(canvas, SHAPE, TURNED)
    as_stars = render_stars(x, y, np.full(2, 1000.0), SHAPE, TURNED)
    assert np.abs(as_nebula - as_stars).max() < 0.03 * as_stars.max()


def test_a_tracking_error_stretches_stars_along_its_direction():
    trailed = Conditions(0, 0, 0, 1, 3, 0, track_px=8, track_angle=90)
    frame = render_stars(np.array([130.0]), np.array([100.0]), np.array([1e4]), SHAPE, trailed)
    y, x = np.indices(SHAPE)
    near = np.hypot(x - 130, y - 100) < 15
    mean_x, mean_y = (np.average(c[near], weights=frame[near]) for c in (x, y))
    assert (mean_x, mean_y) == pytest.approx((130, 100), abs=0.02)
    spread_x, spread_y = (np.average((c[near] - c[near].mean()) ** 2, weights=frame[near]) for c in (x, y))
    # A uniform track of length 8 adds 8²/12 = 5.3 px² to the variance along it.
    assert spread_y - spread_x == pytest.approx(5.3, rel=0.15)


def test_the_nebula_has_the_promised_brightness():
    scene = recipe.make_scene(recipe.HA, (240, 256), 0)
    assert np.quantile(scene.diffuse, 0.99) < 7.5
    assert 6 < scene.diffuse.max() <= 9
    assert scene.diffuse.min() >= 0
    assert np.median(scene.diffuse) < 1


def test_weather_stays_within_its_limits():
    states = [recipe.conditions(recipe.HA, 3, "night", number) for number in range(1, 201)]
    fwhm = np.array([s.fwhm for s in states])
    assert fwhm.mean() == pytest.approx(3, rel=0.03)
    assert fwhm.std() / fwhm.mean() == pytest.approx(0.06, rel=0.25)
    assert max(abs(s.rotation) for s in states) <= 0.3
    assert max(max(abs(s.dx), abs(s.dy)) for s in states) <= 12
    assert len({(s.dx, s.dy) for s in states}) == 200
    assert np.std([s.transparency for s in states]) == pytest.approx(0.03, rel=0.3)

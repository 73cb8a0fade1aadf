import numpy as np
import pytest

from n2n.fidelity.injection import CELL, KINDS, Objects, Seen, lay_out, observe, scaled
from n2n.sky.warp import warp

SHAPE, FWHM, BETA = (240, 300), 3.0, 3.0


def exposure(angle=0.0, dx=0.0, dy=0.0, transparency=1.0, half_light=2.0, displace=None, electrons=True):
    c, s = np.cos(angle), np.sin(angle)
    return Seen(np.array([[c, -s, dx], [s, c, dy]]), displace, transparency, half_light, BETA, electrons)


def objects(kind="star", flux=5000.0, x=150.3, y=120.6, across=0.0, along=0.0, angle=0.0):
    return Objects(*(np.array([value]) for value in (KINDS.index(kind), x, y, flux, 1.0, across, along, angle)))


def centre(image):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(image * x).sum(), (image * y).sum()]) / image.sum()


EXPOSURES = {
    "reference": exposure(),
    "dithered and turned": exposure(0.02, 7.3, -4.8),
    "behind thin cloud": exposure(0.0, 2.5, 0.5, transparency=0.7),
    "after a meridian flip": exposure(np.pi + 0.01, 297.0, 241.0),
    "distorted": exposure(dx=3.2, displace=lambda x, y: (0.4 + 0 * x, 1e-5 * (y - 120) ** 2)),
}


@pytest.mark.parametrize("name", EXPOSURES)
@pytest.mark.parametrize("kind", [("star", 0, 0), ("filament", 1.5, 6.0)])
def test_light_falls_where_it_should_and_all_of_it(name, kind):
    image = observe(objects(kind[0], across=kind[1], along=kind[2], angle=0.7), EXPOSURES[name], SHAPE)
    assert image.sum() == pytest.approx(5000, rel=0.01)
    np.testing.assert_allclose(centre(image), [150.3, 120.6], atol=0.03)


def test_adding_before_registration_is_adding_the_registered_light():
    """The frame with its object is resampled as one; or the object alone, added afterwards."""
    rng = np.random.default_rng(1)
    one = exposure(0.015, 4.3, -2.7)
    frame = rng.normal(100, 10, SHAPE).astype(np.float32)
    flags = np.zeros(SHAPE, np.uint8)
    painted = observe(objects(), exposure(), SHAPE)  # a star in the frame's own pixels
    together, _ = warp(frame + painted, flags, one.matrix, SHAPE)
    apart = warp(frame, flags, one.matrix, SHAPE)[0] + warp(painted, flags, one.matrix, SHAPE)[0]
    np.testing.assert_allclose(together, apart, atol=1e-3 * painted.max())


def test_poorer_seeing_spreads_the_same_light():
    sharp, blurred = (observe(objects(), exposure(half_light=radius), SHAPE) for radius in (1.5, 3.0))
    assert sharp.max() > 3 * blurred.max() and sharp.sum() == pytest.approx(blurred.sum(), rel=0.01)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for image, radius in ((sharp, 1.5), (blurred, 3.0)):
        inside = np.hypot(x - 150.3, y - 120.6) < radius + 0.5 * (radius > 2)
        assert 0.4 < image[inside].sum() / image.sum() < 0.65


def test_a_filament_keeps_its_direction_in_a_turned_frame():
    for one in (EXPOSURES["reference"], exposure(0.3, 60.0, -40.0)):
        image = observe(objects("filament", across=1.5, along=8.0, angle=0.7), one, SHAPE)
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        u, v = x - 150.3, y - 120.6
        moments = np.array([[(image * a * b).sum() for a in (u, v)] for b in (u, v)]) / image.sum()
        values, vectors = np.linalg.eigh(moments)
        assert abs(vectors[:, 1] @ [np.cos(0.7), np.sin(0.7)]) == pytest.approx(1, abs=0.01)
        seeing = (2 * 2.0 / 2.3548) ** 2
        np.testing.assert_allclose(values, [1.5**2 + seeing, 8.0**2 + seeing], rtol=0.05)


def test_photon_noise_is_that_of_the_raw_frame():
    """A dimmed exposure caught fewer electrons: brought to scale, its noise is larger."""
    one = objects(flux=20000.0)
    for transparency in (1.0, 0.5):
        seen = exposure(transparency=transparency)
        drawn = [observe(one, seen, SHAPE, np.random.default_rng(seed)).sum() for seed in range(40)]
        assert np.mean(drawn) == pytest.approx(20000, abs=4 * np.sqrt(20000 / transparency / 40) + 20)
        assert np.std(drawn) == pytest.approx(np.sqrt(20000 / transparency), rel=0.4)
    plain = exposure(electrons=False)
    np.testing.assert_array_equal(observe(one, plain, SHAPE, np.random.default_rng(1)), observe(one, plain, SHAPE))


def test_objects_lie_apart_where_they_may_and_cover_little():
    allowed = np.ones((600, 700), bool)
    allowed[:, 300:360] = False
    found = lay_out(allowed, FWHM, np.random.default_rng(2))
    assert not allowed[...].all() and allowed[np.rint(found.y).astype(int), np.rint(found.x).astype(int)].all()
    assert all(found.of(kind).sum() >= 3 for kind in KINDS)
    stars = np.column_stack([found.x, found.y])[found.of("star")]
    distance = np.hypot(*(stars[:, None] - stars[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(stars))
    assert distance.min() > 0.45 * CELL * FWHM
    assert len(stars) * np.pi * FWHM**2 < 0.05 * allowed.size
    blocks = np.column_stack([found.x, found.y])[~found.of("star")]
    assert np.hypot(*(blocks[:, None] - stars[None]).transpose(2, 0, 1)).min() > CELL * FWHM


def test_the_same_seed_gives_the_same_objects():
    allowed = np.ones((300, 300), bool)
    one, same, other = (lay_out(allowed, FWHM, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.x, same.x)
    assert not np.array_equal(one.x, other.x)


def test_levels_become_flux():
    found = lay_out(np.ones((400, 400), bool), FWHM, np.random.default_rng(1))
    made = scaled(found, np.full(len(found.kind), 2.0), np.full(len(found.kind), 7.0))
    stars, blobs = made.of("star"), made.of("blob")
    np.testing.assert_allclose(made.flux[stars], 7 * made.level[stars])
    # Before the seeing the peak of a Gaussian is flux / (2 pi a b).
    np.testing.assert_allclose(
        (made.flux / (2 * np.pi * np.maximum(made.along * made.across, 1e-9)))[blobs], 2 * made.level[blobs]
    )

"""A stranger's night: every fault shows, is gone when switched off, and is truth only where it is light."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from chain import Chain
from scipy.spatial import KDTree

from n2n.errors import UserError
from n2n.simulate import (
    camera,
    load_truth,
    noiseless,
    recipe,
    simulate_late_frame,
    simulate_night,
    strange,
    strange_sky,
)
from n2n.simulate.frames import Job, Sky, flat_of, light_of_sky, make_frame, plan_jobs, relative_path
from n2n.simulate.readout import Oddities, bled
from n2n.simulate.scene import Scene, canvas_shape

SHAPE = (240, 256)
L, HA = recipe.PRESETS["strange"].targets
CAMERA = {
    "cmos-noise", "moved-dust", "coloured-flats", "amp-glow", "drifting-bias", "banding", "bent-response", "bleeding"
}  # fmt: skip
SKY = {"turning-gradient", "drifting-focus", "field-curvature", "slow-drift", "halos"}
FEW = {"few-flats", "few-darks"}


def sky_with(*faults):
    return Sky(3, 3, SHAPE, "2026-10-03", "nina", faults=faults)


@pytest.fixture
def made(tmp_path):
    """Frames as arrays of electrons, from their kind, faults, and number or start."""

    def make(kind, *faults, number=12, target=L, start_s=40_000.0, every_s=2.0, exptime=None):
        target = target if exptime is None else dataclasses.replace(target, exptime=exptime)
        sky, frames = sky_with(*faults), []
        for i in range(number):
            job = Job(kind, target, i + 1, start_s + i * every_s)
            make_frame(job, sky, tmp_path, tmp_path)
            frames.append(fits.getdata(tmp_path / relative_path(job, sky.dialect)).astype(float))
        return (np.array(frames) - camera.OFFSET_ADU) * target.gain.e_per_adu

    return make


def seen(*faults, number=1, target=L, start_s=0.0):
    return light_of_sky(Job("light", target, number, start_s), sky_with(*faults))


def spread(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def test_every_fault_is_of_the_camera_or_of_the_sky():
    assert set(strange.FAULTS) == CAMERA | SKY | FEW


@pytest.mark.parametrize("fault", sorted(CAMERA | FEW))
@pytest.mark.parametrize("target", [L, HA], ids=lambda target: target.group)
def test_what_the_camera_does_is_not_truth(fault, target):
    (plain, entry), (other, its) = seen(target=target, number=3), seen(fault, target=target, number=3)
    assert np.array_equal(plain, other) and entry == its


@pytest.mark.parametrize("fault", sorted(SKY))
def test_what_the_telescope_saw_is_truth(fault):
    assert np.abs(seen(number=3)[0] - seen(fault, number=3, start_s=12_000.0)[0]).max() > 1


def test_the_truth_is_what_the_frames_average_to(made, tmp_path):
    """With all faults of the sky; the camera is the plain one, whose frames are known."""
    faults = sorted(SKY)
    light = made("light", *faults, number=1, start_s=12_000.0)[0]
    job = Job("light", L, 1, 12_000.0)
    expected = np.load(tmp_path / f"{job.stem}.npy").astype(float)
    flat = flat_of("L", SHAPE, 3)
    residual = light - expected * flat - 0.6
    noise = np.sqrt(expected * flat + 9.6)
    fair = expected < 500
    assert abs(np.median(residual[fair] / noise[fair])) < 0.1
    assert spread(residual[fair] / noise[fair]) == pytest.approx(1, abs=0.12)


def test_without_faults_the_night_is_the_plain_one_to_the_byte(tmp_path, monkeypatch):
    small = dataclasses.replace(recipe.PRESETS["strange"], bias=2, dark=2, flat=2)
    for name in ("strange", "plain"):
        monkeypatch.setitem(recipe.PRESETS, name, small)
    for name, faults in (("strange", "none"), ("plain", None)):
        simulate_night(
            tmp_path / name / "raw", preset=name, faults=faults, size=(96, 80), frames=2, processes=1, report=len
        )
    one, other = (sorted((tmp_path / name).rglob("*.*")) for name in ("strange", "plain"))
    files = [path for path in one if path.suffix in (".fits", ".npy")]
    assert len(files) == 17 + 5
    assert [p.relative_to(tmp_path / "strange") for p in one] == [p.relative_to(tmp_path / "plain") for p in other]
    for path in files:
        assert path.read_bytes() == (tmp_path / "plain" / path.relative_to(tmp_path / "strange")).read_bytes()


def test_few_calibration_frames():
    def counts(*faults):
        kinds = [job.kind for job in plan_jobs(strange.numbered(recipe.PRESETS["strange"], faults), None, 1, False)]
        return {kind: kinds.count(kind) for kind in ("flat", "dark", "bias")}

    # Two filters and two gain settings.
    assert counts() == {"flat": 48, "dark": 48, "bias": 48}
    assert counts("few-flats") == {"flat": 6, "dark": 48, "bias": 48}
    assert counts("few-darks") == {"flat": 48, "dark": 10, "bias": 20}


@pytest.mark.parametrize("fault", ["few-flats", "moved-dust", "coloured-flats"])
def test_faults_of_flats_leave_the_lights_alone(made, fault):
    assert np.array_equal(made("light", number=1), made("light", fault, number=1))


def test_cmos_noise_differs_from_pixel_to_pixel_and_has_a_tail(made):
    def facts(*faults):
        sigma = np.log(made("bias", *faults, number=16).std(axis=0))
        return spread(sigma), np.mean(sigma > np.median(sigma) + np.log(2.2))

    # 16 frames know a standard deviation to 18 %.
    assert facts()[0] < 0.2 and facts()[1] < 1e-4
    assert 0.24 < facts("cmos-noise")[0] < 0.32 and 0.005 < facts("cmos-noise")[1] < 0.02


def test_cmos_pixels_jump_between_two_levels(made):
    def share(*faults):
        frames = np.sort(made("bias", *faults, number=16), axis=0)
        gap = np.diff(frames, axis=0)[4:11].max(axis=0)
        return np.mean(gap > 4 * L.gain.read_noise)

    assert share() < 2e-4 and 6e-4 < share("cmos-noise") < 3e-3


def test_cmos_dark_current_scatters(made):
    # 2400 s of 0.01 e-/s are 24 e-.
    off, on = (made("dark", *faults, number=8, exptime=2400.0).mean(axis=0) for faults in ((), ("cmos-noise",)))
    assert spread(off) < 3 and 12 < spread(on) < 25
    assert np.median(on) == pytest.approx(np.median(off), abs=2)


def test_dust_has_moved_between_flats_and_lights(made):
    off, on = made("flat", number=8).mean(axis=0), made("flat", "moved-dust", number=8).mean(axis=0)
    ratio = on / off
    good = (ratio > 0.8) & (ratio < 1.2)
    pixels = ratio - np.median(ratio)
    # Photons alone leave 0.22 % in the ratio of two means of 8 flats at half of full scale.
    assert 0.0033 < spread(pixels[good]) < 0.008
    # A mote that moved is a dark place beside a bright one.
    smooth = np.array([[np.median(pixels[r : r + 3, c : c + 3]) for c in range(0, 254, 3)] for r in range(0, 238, 3)])
    assert smooth.min() < -0.015 and smooth.max() > 0.015


def test_coloured_flats_have_a_gradient_the_lights_lack(made):
    off, on = made("flat", number=4).mean(axis=0), made("flat", "coloured-flats", number=4).mean(axis=0)
    ratio = on / off
    y, x = (grid / np.array(SHAPE).max() - 0.5 for grid in np.indices(SHAPE))
    design = np.stack([np.ones(x.size), x.ravel(), y.ravel(), (x**2 + y**2).ravel()]).T
    fair = np.abs(ratio.ravel() - 1) < 0.1
    _, along, across, bowl = np.linalg.lstsq(design[fair], ratio.ravel()[fair], rcond=None)[0]
    assert 0.012 < np.hypot(along, across) < 0.04 and -0.055 < bowl < -0.02


def test_glow_is_steeper_than_the_time_and_changes_over_the_night(made):
    def edge(*faults, **how):
        frame = made("dark", *faults, number=6, **how).mean(axis=0)
        return np.median(frame[60:100, -4:]) - np.median(frame[60:100, 20:80])

    assert abs(edge()) < 1
    first = edge("amp-glow", start_s=0.0)
    assert 20 < first < 50
    assert edge("amp-glow", start_s=0.0, exptime=180.0) / first == pytest.approx(3**1.4, rel=0.12)
    hours = [edge("amp-glow", start_s=1500.0 * i) for i in range(6)]
    assert max(hours) / min(hours) > 1.2


def test_the_bias_drifts_and_tilts(made):
    def levels(*faults):
        return made("bias", *faults, number=8, every_s=1200.0) / L.gain.e_per_adu

    off, on = levels(), levels("drifting-bias")
    assert np.ptp(np.median(off, axis=(1, 2))) <= 1
    assert 5 < np.ptp(np.mean(on, axis=(1, 2))) < 11
    tilt = on[:, :60].mean(axis=(1, 2)) - on[:, -60:].mean(axis=(1, 2))
    assert np.ptp(tilt) > 3 > np.ptp(off[:, :60].mean(axis=(1, 2)) - off[:, -60:].mean(axis=(1, 2)))


@pytest.mark.parametrize("target", [L, HA], ids=lambda target: target.group)
def test_bands_are_new_in_every_frame_and_partly_fixed(made, target):
    def rows(*faults):
        frames = made("bias", *faults, target=target) / target.gain.read_noise
        return frames.mean(axis=2), frames.mean(axis=1)

    (rows_off, columns_off), (rows_on, columns_on) = rows(), rows("banding")
    new = rows_on - rows_on.mean(axis=0)
    assert spread(rows_off - rows_off.mean(axis=0)) < 0.08 and 0.15 < spread(new) < 0.25
    assert abs(np.corrcoef(new[0], new[1])[0, 1]) < 0.4
    assert spread(rows_off.mean(axis=0)) < 0.05 and 0.3 < spread(rows_on.mean(axis=0)) < 0.5
    assert spread(columns_off - columns_off.mean(axis=0)) < 0.08 < spread(columns_on - columns_on.mean(axis=0))


def test_the_response_is_two_per_cent_low_at_full_scale():
    detector, full = camera.make_detector(SHAPE, np.random.default_rng(2)), L.gain.saturation
    for level, lost in ((0.01, 0.0), (0.5, 0.005), (0.97, 0.0188)):
        off, on = (
            camera.expose(level * full, 1.0, 1.0, detector, L.gain, np.random.default_rng(1), odd=odd).astype(float)
            for odd in (Oddities(), Oddities(bend=0.02))
        )
        assert 1 - np.median(on - 500) / np.median(off - 500) == pytest.approx(lost, abs=5e-4)


def test_flats_are_bent_like_lights(made):
    off, on = np.median(made("flat", number=2)), np.median(made("flat", "bent-response", number=2))
    assert on / off == pytest.approx(0.995, abs=0.001)


def test_charge_runs_along_columns_and_none_is_lost():
    charge = np.ones((60, 9))
    charge[30, 4], charge[2, 7] = 1000.0, 500.0
    result = bled(charge, 50.0)
    assert result.max() == 50.0
    assert result[:, 4].sum() == pytest.approx(charge[:, 4].sum())
    full = np.flatnonzero(result[:, 4] == 50.0)
    assert 18 <= full.size <= 20 and abs(full.mean() - 30) < 1
    assert np.array_equal(np.delete(result, [4, 7], axis=1), np.delete(charge, [4, 7], axis=1))
    assert result[:, 7].sum() < charge[:, 7].sum(), "what reaches the edge runs over it"


def test_saturated_stars_bleed(made):
    brighter = dataclasses.replace(L, bright_flux=(2e6, 2.1e6))
    off, on = (
        made("light", *faults, number=1, target=brighter)[0] > 0.999 * L.gain.saturation
        for faults in ((), ("bleeding",))
    )
    assert on.sum() > off.sum() > 0
    assert on.sum(axis=0).max() > off.sum(axis=0).max() + 3
    assert on.sum(axis=1).max() <= off.sum(axis=1).max(), "not along rows"


def test_halos_are_discs_around_bright_stars():
    (plain, entry), (other, _) = seen(number=3), seen("halos", number=3)
    scene = recipe.make_scene(L, SHAPE, 3)
    x, y = strange_sky.to_frame(scene.x[:1], scene.y[:1], SHAPE, recipe.conditions(L, 3, "2026-10-03", 3))
    rows, columns = np.indices(SHAPE)
    radius, halo = np.hypot(rows - y, columns - x), (other - plain) / entry["transparency"]
    peak = 0.01 * scene.flux[0] / (np.pi * 36**2)
    assert np.median(halo[radius < 30]) == pytest.approx(peak, rel=0.3)
    assert halo.min() > -1e-2 and np.median(halo[radius > 60]) < 0.3 * peak


def test_the_gradient_of_the_sky_is_curved_and_turns():
    def fitted(hour, *faults):
        light, entry = seen(*faults, number=3, start_s=3600.0 * hour)
        field = light / entry["sky"] - 1 if not faults else (light - seen(number=3)[0]) / entry["sky"]
        y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
        design = np.stack([np.ones(x.size), x.ravel(), y.ravel(), x.ravel() ** 2, (x * y).ravel(), y.ravel() ** 2]).T
        return np.linalg.lstsq(design, field.ravel(), rcond=None)[0]

    first, later = fitted(3, "turning-gradient"), fitted(4, "turning-gradient")
    assert 0.12 < np.hypot(*first[1:3]) < 0.2
    assert np.abs(first[3:]).max() > 0.02
    turned = np.degrees(np.arctan2(later[2], later[1]) - np.arctan2(first[2], first[1])) % 360
    assert turned == pytest.approx(40, abs=6)
    shown = seen("turning-gradient", number=3)[0] - seen(number=3)[0]
    assert shown.mean() == pytest.approx(0, abs=0.02 * L.sky)


def test_focus_drifts_until_it_is_set_again():
    off, on = (np.array([seen(*f, number=n)[1]["fwhm"] for n in range(1, 25)]) for f in ((), ("drifting-focus",)))
    ratio = on / off
    assert ratio.min() == pytest.approx(1, abs=0.02) and ratio.max() == pytest.approx(1.35, abs=0.02)
    assert np.sum(np.diff(ratio) < -0.2) in (1, 2), "set again"


def test_stars_are_wider_and_longer_in_the_corners_and_keep_their_light():
    places = np.array([[127.5, 119.5], [30.0, 28.0]])
    scene = Scene(np.zeros(canvas_shape(SHAPE), np.float32), *places.T, np.array([1e4, 1e4]))
    now = dataclasses.replace(recipe.conditions(L, 3, "n", 1), dx=0.0, dy=0.0, rotation=0.0, fwhm=3.0)

    def shape_at(image, place):
        y, x = np.indices(SHAPE)
        near = np.hypot(x - place[0], y - place[1])
        weight = image * np.exp(-((near / 5) ** 2)) * (near < 15)
        dx, dy = x - place[0], y - place[1]
        radial = (dx * 97.5 + dy * 91.5) / np.hypot(97.5, 91.5)
        across = (dx * 91.5 - dy * 97.5) / np.hypot(97.5, 91.5)
        return [np.sqrt((weight * way**2).sum() / weight.sum()) for way in (radial, across)]

    flat = strange_sky.light_of(scene, SHAPE, now)
    curved = strange_sky.curved(scene, SHAPE, now)
    assert curved.sum() == pytest.approx(flat.sum(), rel=5e-3)
    middle, corner = shape_at(curved, places[0]), shape_at(curved, places[1])
    assert middle == pytest.approx(shape_at(flat, places[0]), rel=0.02)
    assert corner[1] > 1.05 * middle[1]
    assert corner[0] > 1.03 * corner[1]


def test_a_slow_drift_takes_the_place_of_dithers():
    def steps(*faults):
        places = np.array([[e["dx"], e["dy"]] for e in (seen(*faults, number=n)[1] for n in range(1, 25))])
        return np.diff(places, axis=0), np.hypot(*(places[-1] - places[0]))

    (dithers, _), (drift, way) = steps(), steps("slow-drift")
    assert np.median(np.hypot(*dithers.T)) > 4
    assert np.median(np.hypot(*drift.T)) < 0.8 and way == pytest.approx(10.3, abs=0.7)
    assert np.hypot(*np.mean(drift, axis=0)) > 0.4


def test_names_of_faults():
    assert strange.faults_named(None, "strange") == strange.faults_named("all", "strange") == tuple(strange.FAULTS)
    assert strange.faults_named(None, "demo") == strange.faults_named("none", "strange") == ()
    assert strange.faults_named(None, "crowded") == () and strange.faults_named("banding", "crowded") == ("banding",)
    assert strange.faults_named("banding, few-flats", "strange") == ("few-flats", "banding")
    for text, preset, words in (
        ("fog", "strange", "no fault 'fog'"),
        ("banding", "demo", "--preset strange"),
        ("none,banding", "strange", "goes with no other"),
    ):
        with pytest.raises(UserError, match=words):
            strange.faults_named(text, preset)


def test_a_crowded_field_has_stars_that_touch():
    target = recipe.PRESETS["crowded"].targets[0]
    scene = recipe.make_scene(target, SHAPE, 3)
    # Noise of 24 exposures behind a filter of the stars' width, FWHM 3 px.
    sure = scene.flux > 5 * np.sqrt((target.sky + target.gain.read_noise**2) / 24 * 4 * np.pi * (3.0 / 2.355) ** 2)
    places = np.stack([scene.x, scene.y], axis=1)[sure]
    nearest, _ = KDTree(places).query(places, 2)
    inside = sure.sum() * 512**2 / np.prod(canvas_shape(SHAPE))
    assert 2500 < inside < 4500 and np.mean(nearest[:, 1] < 6.0) > 0.6
    assert not scene.diffuse.any()


def test_the_same_seed_gives_the_same_night_in_any_process_and_late_frames_join_it(tmp_path):
    nights = []
    for processes in (1, 2):
        base = tmp_path / str(processes)
        raw = simulate_night(
            base / "raw", preset="strange", faults="all", size=(96, 80), frames=1, processes=processes, report=len
        )
        simulate_late_frame(raw, base / "truth" / raw.name, "M31_L", 4)
        nights.append({p.relative_to(base): p.read_bytes() for p in sorted(base.rglob("*.*")) if p.is_file()})
    assert nights[0] == nights[1]
    assert load_truth(base / "truth" / raw.name)["night"]["faults"] == list(strange.FAULTS)
    assert noiseless(base / "truth" / raw.name, "M31_L_60.00s_0004").shape == (80, 96)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A strange night, ingested, its masters made and its frames measured."""
    base = tmp_path_factory.mktemp("strange")
    simulate_night(base / "raw", preset="strange", seed=1, size=SHAPE[::-1], frames=6, processes=2, report=len)
    chain = Chain(base)
    chain.prepare()
    chain.masters()
    for chunk in chain.group.chunks:
        chain.measure(chunk)
    return chain


def test_a_strange_night_is_taken_in_and_calibrated(calibrated):
    frames = calibrated.measured()
    good = [frame for frame in frames.values() if not frame.get("rejected")]
    assert len(frames) == 6 and len(good) >= 6
    assert {"dark", "flat"} <= set(calibrated.group.calibration)

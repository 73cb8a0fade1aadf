import numpy as np
import pytest
from astropy.io import fits

from n2n.formats.frametable import FRAME_COLUMNS
from n2n.formats.tables import csv_text
from n2n.group.members import members
from n2n.simulate import recipe
from n2n.simulate.camera import OFFSET_ADU
from n2n.simulate.frames import detector_of, flat_of


def facts(chain, kind):
    with fits.open(chain.master(kind)) as file:
        return file[0].header.copy(), file[0].data.astype(float), file["DEFECTS"].data > 0


@pytest.fixture(scope="module")
def truth(chain):
    group, shape = chain.account["groups"]["M31_L"], (240, 256)
    detector = detector_of(shape, 1)
    dark = OFFSET_ADU + detector.columns + 60 * detector.dark_rate(recipe.LUM.gain) / group["e_per_adu"]
    return group, detector, dark, flat_of("L", shape, 1)


def test_the_master_dark_is_the_truth_within_its_noise(chain, truth):
    group, _, dark, _ = truth
    header, image, defects = facts(chain, "dark")
    residual = (image - dark)[~defects]
    noise = group["read_noise"] / group["e_per_adu"] / np.sqrt(6)
    assert header["MASTER"] == "dark" and header["NCOMBINE"] == 6 and image.shape == (240, 256)
    assert abs(np.median(residual)) < 0.05 * noise + 0.05
    assert 1.4826 * np.median(np.abs(residual)) < 0.5 * noise  # no pattern but columns: its noise is gone
    assert (np.abs(residual) > 8 * noise).mean() < 1e-3  # cosmic rays are gone
    assert header["MASTNOIS"] == pytest.approx(1.4826 * np.median(np.abs(residual)), rel=0.5)


def test_the_read_noise_is_measured(chain, truth):
    group = truth[0]
    header, *_ = facts(chain, "bias")
    assert header["NOISEADU"] == pytest.approx(group["read_noise"] / group["e_per_adu"], rel=0.05)


def test_hot_pixels_above_ten_sigma_are_defects_and_few_others(chain, truth):
    group = truth[0]
    *_, defects = facts(chain, "dark")
    sigma = group["read_noise"] / group["e_per_adu"] / np.sqrt(6)
    hot = np.array([(x, y) for x, y, excess in group["hot_pixels"] if excess / group["e_per_adu"] > 10 * sigma])
    assert len(hot) > 20
    assert defects[hot[:, 1], hot[:, 0]].mean() >= 0.99
    planted = np.zeros(defects.shape, bool)
    everything = np.array([(x, y) for x, y, _ in group["hot_pixels"]])
    planted[everything[:, 1], everything[:, 0]] = True
    assert (defects & ~planted).mean() < 2e-4


def test_the_master_flat_is_the_vignette_with_median_one(chain, truth):
    group, _, _, flat = truth
    header, image, defects = facts(chain, "flat")
    electrons = header["FLATLEVL"] * group["e_per_adu"] * header["NCOMBINE"]
    assert header["MASTNOIS"] == pytest.approx(electrons**-0.5, rel=0.1)
    assert np.median(image) == pytest.approx(1, abs=1e-6)
    relative = (image / (flat / np.median(flat)))[~defects & (flat > 0.3)]
    assert np.median(relative) == pytest.approx(1, abs=1e-3) and relative.std() < 0.004
    assert header["FLATLEVL"] == pytest.approx(32_500, rel=0.1)


def test_dead_columns_and_pixels_are_defects_of_the_flat(chain, truth):
    detector = truth[1]
    _, _, defects = facts(chain, "flat")
    assert defects[detector.dead_pixels[:, 1], detector.dead_pixels[:, 0]].all()
    assert defects[:, list(detector.dead_columns)].mean() > 0.98
    assert defects.sum() <= 2 * 240 + len(detector.dead_pixels) + 20


def test_the_gain_by_photon_transfer_is_the_cameras(chain, truth):
    header, *_ = facts(chain, "flat")
    assert header["EGAINPT"] == pytest.approx(truth[0]["e_per_adu"], rel=0.1)


def test_a_master_names_its_frames_and_has_valid_checksums(chain):
    for kind in ("dark", "bias", "flat"):
        with fits.open(chain.master(kind)) as file:
            assert all(hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1 for hdu in file)
            names = [file[0].header[f"IMCMB{n:03d}"] for n in range(1, 7)]
        assert len(set(names)) == 6 and all(name.startswith(kind.upper()) for name in names)


def run(chain, tmp_path, paths, kind, *more, **facts):
    rows = [dict.fromkeys(FRAME_COLUMNS, "") | {"path": path, "kind": kind} | facts for path in paths]
    (tmp_path / "m.csv").write_text(csv_text(rows, list(FRAME_COLUMNS)))
    chain.call("master", tmp_path / "m.csv", "--raw", tmp_path, *more, "-o", tmp_path / "m.fits")


def write(tmp_path, values, shape=(64, 70)):
    names = []
    for index, value in enumerate(values):
        rng = np.random.default_rng(index)
        pixels = np.clip(rng.normal(value, 5, shape), 0, 65535).astype(np.uint16)
        names.append(f"{index}.fits")
        fits.writeto(tmp_path / names[-1], pixels, overwrite=True)
    return names


def test_flats_of_any_brightness_count_alike(chain, tmp_path):
    run(chain, tmp_path, write(tmp_path, [10_000, 20_000, 40_000]), "flat")
    image, header = fits.getdata(tmp_path / "m.fits", header=True)
    assert np.median(image) == 1 and header["FLATLEVL"] == pytest.approx(20_000, rel=0.01)


def void(tmp_path):
    header = fits.getheader(tmp_path / "m.fits")
    assert not fits.getdata(tmp_path / "m.fits").any()
    return header["VOID"]


def test_saturated_flats_are_left_out_and_make_no_master(chain, tmp_path, capsys):
    run(chain, tmp_path, write(tmp_path, [10_000, 12_000, 14_000, 70_000]), "flat")
    assert fits.getdata(tmp_path / "m.fits").std() < 0.001
    assert "left out 3.fits: saturated" in capsys.readouterr().err
    run(chain, tmp_path, write(tmp_path, [70_000] * 3), "flat")
    assert "0 of 3 frames usable: saturated" in void(tmp_path)
    assert "no master flat" in capsys.readouterr().err


def test_a_flat_at_a_ceiling_below_full_scale_is_saturated(chain, tmp_path, capsys):
    names = write(tmp_path, [10_000, 12_000, 14_000, 50_000])
    fits.writeto(tmp_path / names[3], np.minimum(fits.getdata(tmp_path / names[3]), 50_002), overwrite=True)
    run(chain, tmp_path, names, "flat")
    assert fits.getheader(tmp_path / "m.fits")["NCOMBINE"] == 3
    assert "left out 3.fits: saturated" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bias", "dark", "flat", "light"])
def test_unreadable_frames_are_left_out_by_name_and_only_such_make_no_master(chain, tmp_path, kind, capsys):
    names = write(tmp_path, [500, 502, 501, 500])
    (tmp_path / names[0]).write_bytes(b"x")
    run(chain, tmp_path, names, kind, "--log", tmp_path / "m.log")
    assert fits.getheader(tmp_path / "m.fits")["NCOMBINE"] == 3
    assert "left out 0.fits: " in capsys.readouterr().err
    assert "WARNING left out 0.fits: " in (tmp_path / "m.log").read_text()
    run(chain, tmp_path, ["none.fits", "nor.fits", "neither.fits"], kind)
    assert void(tmp_path).startswith("0 of 3 frames usable: ")
    said = capsys.readouterr().err
    assert all(f"left out {name}.fits" in said for name in ("none", "nor", "neither"))


def test_two_frames_are_too_few(chain, tmp_path):
    names = write(tmp_path, [500] * 3)
    (tmp_path / names[0]).unlink()
    run(chain, tmp_path, names, "dark")
    assert "2 of 3 frames usable" in void(tmp_path)


@pytest.mark.parametrize("level", [500, 503, 1400])
def test_a_flat_that_was_not_lit_is_left_out_by_name(chain, tmp_path, level, capsys):
    fits.writeto(tmp_path / "zero.fits", np.full((64, 70), 500, np.float32), checksum=True)
    names = write(tmp_path, [level, 20_000, 21_000, 19_000, 22_000])
    run(chain, tmp_path, names, "flat", "--zero", tmp_path / "zero.fits")
    header = fits.getheader(tmp_path / "m.fits")
    assert header["NCOMBINE"] == 4 and header["FLATLEVL"] == pytest.approx(20_000, rel=0.01)
    assert "left out 0.fits: " in (said := capsys.readouterr().err) and "lit" in said
    assert "left out 0.fits" in " ".join(header["HISTORY"])


def test_the_fading_light_of_dusk_and_a_drifting_bias_lose_nothing(chain, tmp_path):
    run(chain, tmp_path, write(tmp_path, [40_000, 29_000, 21_000, 15_000, 11_000, 8_000]), "flat")
    assert fits.getheader(tmp_path / "m.fits")["NCOMBINE"] == 6
    run(chain, tmp_path, write(tmp_path, [500, 501, 503, 504, 506, 507]), "bias")
    assert fits.getheader(tmp_path / "m.fits")["NCOMBINE"] == 6


def test_a_flat_with_the_lamp_half_covered_is_left_out(chain, tmp_path, capsys):
    names = write(tmp_path, [20_000, 21_000, 19_000, 22_000])
    half = fits.getdata(tmp_path / names[2])
    half[:, :35] //= 2
    fits.writeto(tmp_path / names[2], half, overwrite=True)
    run(chain, tmp_path, names, "flat")
    assert "left out 2.fits: lit otherwise" in capsys.readouterr().err
    assert fits.getdata(tmp_path / "m.fits").std() < 0.001


def damaged(case, pixels):
    rng = np.random.default_rng(5)
    if case == "light in it":
        return pixels + 240
    if case == "another offset":
        return pixels - 100
    if case == "a leak of light":
        return pixels + np.linspace(0, 60, pixels.shape[1])
    if case == "noisy":
        return pixels + rng.normal(0, 20, pixels.shape)
    if case == "all equal":
        return 0 * pixels + 500
    return pixels[:, :-2]  # another size


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize(
    "case", ["light in it", "another offset", "a leak of light", "noisy", "all equal", "another size"]
)
@pytest.mark.parametrize("kind", ["bias", "dark"])
def test_one_bad_dark_is_left_out_by_name(chain, tmp_path, kind, case, place, capsys):
    names = write(tmp_path, [500, 501, 502, 500, 501])
    pixels = damaged(case, fits.getdata(tmp_path / names[place]).astype(float))
    fits.writeto(tmp_path / names[place], np.rint(pixels).astype(np.uint16), overwrite=True)
    run(chain, tmp_path, names, kind)
    image, header = fits.getdata(tmp_path / "m.fits", header=True)
    assert header["NCOMBINE"] == 4 and header["NLEFTOUT"] == 1 and image.shape == (64, 70)
    assert np.median(image) == pytest.approx(501, abs=1)
    assert f"left out {place}.fits: " in capsys.readouterr().err


@pytest.mark.parametrize("noise", [0.35, 0.5, 0.74])
def test_a_camera_of_coarse_numbers_and_little_noise_gets_its_masters(chain, tmp_path, noise):
    """12 bits shifted up to 16: the mean of eight frames tells fractions of their step."""
    truth = 320 + 5 * np.sin(np.arange(192) / 9)
    names = [f"{index}.fits" for index in range(8)]
    for index, name in enumerate(names):
        values = np.random.default_rng(index).normal(truth / 16, noise, (160, 192))
        fits.writeto(tmp_path / name, (16 * np.rint(values)).astype(np.uint16), overwrite=True)
    for kind in ("bias", "dark"):
        run(chain, tmp_path, names, kind)
        with fits.open(tmp_path / "m.fits") as file:
            header, image, defects = file[0].header, file[0].data, file["DEFECTS"].data
        assert header["NCOMBINE"] == 8 and defects.mean() < 1e-3
        assert header["NOISEADU"] == pytest.approx(16 * np.sqrt(noise**2 + 1 / 12), rel=0.12)
        assert np.abs(image.mean(axis=0) - truth).max() < 3


def test_a_set_without_a_majority_makes_no_master(chain, tmp_path):
    run(chain, tmp_path, write(tmp_path, [500, 500, 900, 900]), "dark")
    assert "none is the majority" in void(tmp_path) or "in one set" in void(tmp_path)


def test_masters_are_free_of_their_pedestal(chain, tmp_path):
    run(chain, tmp_path, write(tmp_path, [600] * 4), "bias", pedestal_adu="100")
    assert np.median(fits.getdata(tmp_path / "m.fits")) == pytest.approx(500, abs=1)
    (tmp_path / "m.fits").rename(tmp_path / "zero.fits")
    names, slope = write(tmp_path, [600] * 4), np.linspace(9_000, 11_000, 70)
    for name in names:
        fits.writeto(tmp_path / name, np.rint(fits.getdata(tmp_path / name) + slope).astype(np.uint16), overwrite=True)
    for zero, left in ((["--zero", tmp_path / "zero.fits"], 0), ([], 500)):
        run(chain, tmp_path, names, "flat", *zero, pedestal_adu="100")
        expected = (slope + left) / np.median(slope + left)
        assert np.median(fits.getdata(tmp_path / "m.fits"), axis=0) == pytest.approx(expected, abs=2e-3)


def test_flats_do_without_a_bias_that_is_void(chain, tmp_path, capsys):
    run(chain, tmp_path, ["none.fits"] * 3, "bias")
    (tmp_path / "m.fits").rename(tmp_path / "zero.fits")
    run(chain, tmp_path, write(tmp_path, [20_000] * 3), "flat", "--zero", tmp_path / "zero.fits")
    assert np.median(fits.getdata(tmp_path / "m.fits")) == 1
    assert "without a bias" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bias", "dark", "flat", "light"])
def test_frames_beyond_the_memory_give_the_same_bytes(chain, tmp_path, kind):
    names = write(tmp_path, [20_000] * 7, shape=(300, 310))
    rows = [dict.fromkeys(FRAME_COLUMNS, "") | {"path": name, "kind": kind} for name in names]
    (tmp_path / "m.csv").write_text(csv_text(rows, list(FRAME_COLUMNS)))
    made = []
    for memory in (4000, 1):  # the frames fill 1.3 MB
        where = tmp_path / f"{memory}.fits"
        chain.call("master", tmp_path / "m.csv", "--raw", tmp_path, "--memory-mb", memory, "-o", where)
        with fits.open(where) as file:
            made.append([(dict(hdu.header), hdu.data.tobytes()) for hdu in file])
            # A checksum's comment holds the time, and with it another CHECKSUM; the files have different names.
            for header, _ in made[-1]:
                header.pop("CHECKSUM")
                header.pop("MASTERID", None)
        assert made[-1][0][0]["NCOMBINE"] == 7
    assert made[0] == made[1]
    assert {path.name for path in tmp_path.iterdir()} == {*names, "m.csv", "4000.fits", "1.fits"}


def test_a_frame_that_is_no_whole_number_is_combined_with_others_that_are(chain, tmp_path):
    names = write(tmp_path, [500] * 4)
    fits.writeto(tmp_path / names[2], fits.getdata(tmp_path / names[2]).astype(np.float32) + 0.5, overwrite=True)
    for memory in (4000, 0):
        rows = [dict.fromkeys(FRAME_COLUMNS, "") | {"path": name, "kind": "bias"} for name in names[:3]]
        (tmp_path / "m.csv").write_text(csv_text(rows, list(FRAME_COLUMNS)))
        chain.call("master", tmp_path / "m.csv", "--raw", tmp_path, "--memory-mb", memory, "-o", tmp_path / "m.fits")
        expected = np.mean([fits.getdata(tmp_path / name).astype(float) for name in names[:3]], axis=0)
        close = np.abs(fits.getdata(tmp_path / "m.fits") - expected) < 1e-3
        assert close.mean() > 0.98  # the others lost a sample


def test_flats_darker_than_their_bias_make_no_master(chain, tmp_path):
    fits.writeto(tmp_path / "zero.fits", np.full((64, 70), 900, np.float32), checksum=True)
    run(chain, tmp_path, write(tmp_path, [500] * 3), "flat", "--zero", tmp_path / "zero.fits")
    assert "not lit" in void(tmp_path)


def test_defects_are_found_from_the_lights_of_a_night_without_darks(chain, tmp_path):
    group = chain.account["groups"]["M31_L"]
    paths = [row["path"] for rows in chain.group.chunks.values() for row in rows]
    rows = [dict.fromkeys(FRAME_COLUMNS, "") | {"path": path, "kind": "light"} for path in paths]
    (tmp_path / "m.csv").write_text(csv_text(rows, list(FRAME_COLUMNS)))
    chain.call("master", tmp_path / "m.csv", "--raw", chain.raw, "-o", tmp_path / "m.fits")
    defects = fits.getdata(tmp_path / "m.fits", "DEFECTS") > 0
    one = np.hypot(group["read_noise"], np.sqrt(group["sky"]))
    hot = np.array([(x, y) for x, y, excess in group["hot_pixels"] if excess > 6 * one])
    assert len(hot) > 5 and defects[hot[:, 1], hot[:, 0]].mean() > 0.95
    assert defects[:, chain.account["camera"]["dead_columns"]].mean() > 0.9
    assert defects.mean() < 0.02


@pytest.mark.parametrize("scale", [1.0, 1 / 24000])
def test_flats_whose_bias_was_subtracted_before_are_lit_in_any_unit(scale):
    rng = np.random.default_rng(3)
    rows = [{"path": str(place), "done": "b", "e_per_adu": "0.25"} for place in range(4)]
    frames = (rng.normal(24000, 300, (4, 64, 64)) * scale).astype(np.float32)
    frames[3] = rng.normal(0, 8, (64, 64)) * scale
    _, used, odd = members("flat", frames, rows, None, False)
    assert len(used) == 3 and "not lit" in odd["3"]

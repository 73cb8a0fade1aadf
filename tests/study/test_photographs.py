import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from n2n.errors import UserError
from n2n.study import photographs
from n2n.study.photographs import (
    builtin_photographs,
    digest_of,
    find_photographs,
    picture_format,
    read_pairs,
    read_photograph,
    training_and_validation,
    write_photograph,
)


def places(height, width, index=0):
    """An image that says of every pixel where it is: row, column, image."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, np.full_like(y, index)], axis=-1).astype(np.uint8)


def test_images_are_found_at_any_depth_and_in_any_case(tmp_path):
    names = ["b.PNG", "a/z.jpeg", "a/deep/er/k.TiFF", "c.webp", "d.bmp", "e.JPG", "f.tif"]
    others = ["notes.txt", "._b.PNG", "png", "a/clip.mp4", "a/b.png.part"]
    for name in names + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert find_photographs(tmp_path) == sorted(tmp_path / name for name in names)


def test_without_images_it_says_where_they_belong(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/none.*give the folder"):
        find_photographs(tmp_path / "none")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(UserError, match=f"{tmp_path}.*put image files there.*png"):
        find_photographs(tmp_path)
    with pytest.raises(UserError, match=r"readme\.txt.*give the folder"):
        find_photographs(tmp_path / "readme.txt")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode):
    Image.fromarray(places(30, 50)).convert(mode).save(tmp_path / "a.png")
    pixels = read_photograph(tmp_path / "a.png")
    assert pixels.shape == (30, 50, 3) and pixels.dtype == np.uint8
    if mode in ("RGB", "RGBA"):
        np.testing.assert_array_equal(pixels, places(30, 50))
    if mode in ("L", "LA"):
        assert (pixels == pixels[..., :1]).all() and pixels.std() > 0


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_turns_the_image(tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(places(30, 50)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.png"), np.rot90(places(30, 50), turn))


def test_a_gamma_in_the_file_changes_nothing(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (100_000).to_bytes(4, "big"))
    Image.fromarray(places(30, 50)).save(tmp_path / "a.png", pnginfo=info)
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.png"), places(30, 50))


def test_an_unreadable_image_is_named(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:4000])
    (tmp_path / "words.jpg").write_text("not an image")
    for name in ("half.png", "words.jpg", "missing.png"):
        with pytest.raises(UserError, match=f"{tmp_path}/{name}.*replace or remove"):
            read_photograph(tmp_path / name)
    Image.fromarray(rng.integers(0, 65535, (9, 9), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match=r"deep\.png holds more than 8 bits.*save it"):
        read_photograph(tmp_path / "deep.png")


def test_photographs_come_with_scikit_image():
    training, validation = builtin_photographs()
    assert (len(training), len(validation)) == (6, 2)
    names = [name for name, _ in training + validation]
    assert len(set(names)) == 8 and "motorcycle_right.png" not in names
    for _, pixels in training + validation:
        assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
        assert min(pixels.shape[:2]) >= 256 and max(pixels.shape[:2]) <= 512
        assert (pixels[..., 0] != pixels[..., 2]).mean() > 0.3  # in colour


def test_an_incomplete_scikit_image_is_named(monkeypatch):
    monkeypatch.setattr(photographs, "BUILTIN_VALIDATION", ("chelsea.png", "sphinx.png"))
    with pytest.raises(UserError, match=r"no sphinx\.png.*install"):
        builtin_photographs()


def save(folder, names, size=(12, 14)):
    for index, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(places(*size, index)).save(folder / name)
    return folder


@pytest.mark.parametrize(("count", "kept_back"), [(2, 1), (3, 2), (9, 5), (16, 8), (17, 9), (40, 8)])
def test_what_is_judged_by_is_not_trained_on(tmp_path, count, kept_back):
    training, validation = training_and_validation(save(tmp_path, [f"{k:02}.png" for k in range(count)]), None)
    assert len(validation) == kept_back and len(training) == count - kept_back
    assert not {name for name, _ in training} & {name for name, _ in validation}


def test_a_folder_to_judge_by_leaves_all_others_to_train_on(tmp_path):
    photos, valid = save(tmp_path / "t", ["one.png"]), save(tmp_path / "v", ["one.png", "sub/one.png"])
    training, validation = training_and_validation(photos, valid)
    assert [name for name, _ in training] == ["one.png"]
    assert [name for name, _ in validation] == ["one.png", "sub/one.png"]
    with pytest.raises(UserError, match="2 are needed"):
        training_and_validation(photos, None)


def test_pairs_have_one_order_and_one_size(tmp_path, caplog):
    one, other = save(tmp_path / "a", ["b.png", "a.png", "c.png"]), save(tmp_path / "b", ["a.png", "b.png", "d.png"])
    first, second = read_pairs(one, other)
    assert [name for name, _ in first] == [name for name, _ in second] == ["a.png", "b.png"]
    assert "2 photographs without a partner" in caplog.text
    save(other, ["b.png"], size=(12, 20))
    with pytest.raises(UserError, match=r"b\.png differs in size"):
        read_pairs(one, other)
    with pytest.raises(UserError, match="0 file names in common"):
        read_pairs(one, save(tmp_path / "c", ["x.png"]))


def test_a_digest_knows_names_and_pixels():
    digests = {digest_of([(name, places(4, 5, k))]) for name in "ab" for k in (0, 1)}
    assert len(digests) == 4


def test_the_suffix_decides_the_format(tmp_path):
    write_photograph(tmp_path / "a.png", places(6, 7))
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.png"), places(6, 7))
    assert picture_format(tmp_path / "a.TIF") == "TIFF"
    with pytest.raises(UserError, match="unknown kind of picture"):
        write_photograph(tmp_path / "a.fits", places(6, 7))

import numpy as np
import pytest
from astropy.io import fits

from n2n.errors import UserError
from n2n.formats.fits import merge, read_header
from n2n.formats.pixels import header_texts, read_planes
from n2n.formats.products import write_fits

IMAGE = np.linspace(-5, 70000, 96 * 128, dtype=np.float32).reshape(96, 128)


@pytest.fixture
def master(tmp_path):
    header = fits.Header([("NOISEADU", 3.25, "noise"), ("MASTER", "dark", "kind")])
    planes = [fits.PrimaryHDU(IMAGE, header), fits.ImageHDU((IMAGE > 100).astype(np.uint8), name="DEFECTS")]
    write_fits(tmp_path / "dark-A-2026-10-03-0123456789.fits", planes)
    return tmp_path / "dark-A-2026-10-03-0123456789.fits"


def test_planes_are_what_was_written(master):
    cards, arrays = read_planes(master, "IMAGE", "DEFECTS", "NOT THERE")
    assert set(arrays) == {"IMAGE", "DEFECTS"} and (cards["MASTER"], float(cards["NOISEADU"])) == ("dark", 3.25)
    np.testing.assert_array_equal(arrays["IMAGE"], IMAGE)
    np.testing.assert_array_equal(arrays["DEFECTS"], IMAGE > 100)
    assert arrays["IMAGE"].dtype.isnative and arrays["IMAGE"].flags.writeable


def test_a_missing_or_shortened_file_is_named_with_a_remedy(master):
    with pytest.raises(UserError, match=r"gone\.fits is missing; run snakemake again"):
        read_planes(master.with_name("gone.fits"), "IMAGE")
    master.write_bytes(master.read_bytes()[:-6000])
    with pytest.raises(UserError, match=r"dark-A-.*\.fits is damaged .*delete it"):
        read_planes(master, "IMAGE")


def test_cards_kept_as_text_give_the_header(tmp_path):
    primary = fits.PrimaryHDU(header=fits.Header([("OBJECT", "M31"), ("EXPTIME", 30.0), ("COMMENT", "clear")]))
    image = fits.ImageHDU(IMAGE, fits.Header([("EXPTIME", 60.0)]))
    fits.HDUList([primary, image]).writeto(tmp_path / "light.fits")
    texts = header_texts(tmp_path / "light.fits")
    whole, _ = read_header(tmp_path / "light.fits")
    found = merge(texts)
    assert len(texts) == 2 and found["EXPTIME"] == 60.0 and found["OBJECT"] == "M31"
    assert [card.image for card in found.cards] == [card.image for card in whole.cards][4:]

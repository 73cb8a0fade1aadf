import math

import numpy as np
import pytest
import torch
from torch import nn

from n2n.study.corruptions import CORRUPTIONS
from n2n.study.scoring import scores_of, side_by_side, to_tensor


class Keep(nn.Module):
    """Denoises nothing."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, image):
        return image * self.scale


def photographs(count=2, shape=(80, 96)):
    rng = np.random.default_rng(0)
    return [(f"{k}.png", rng.integers(90, 160, (*shape, 3), np.uint8)) for k in range(count)]


def test_a_network_that_does_nothing_scores_what_the_noise_scores():
    sets, example = scores_of(Keep(), {"a": photographs(2), "b": photographs(1)}, CORRUPTIONS["gaussian"], repeats=3)
    assert (sets["a"]["images"], len(sets["a"]["each"]), len(sets["b"]["each"])) == (2, 6, 3)
    for scores in sets.values():
        assert scores["psnr"] == pytest.approx(scores["noisy"], abs=1e-4)
        assert scores["psnr_float"] == pytest.approx(20 * math.log10(255 / 25), abs=0.1)
        assert scores["psnr"] == pytest.approx(np.mean([one["psnr"] for one in scores["each"]]))
    assert len({one["noisy"] for one in sets["a"]["each"]}) == 6  # every image and repeat has noise of its own
    assert example.shape == (80, 3 * 96, 3) and example.dtype == np.uint8
    np.testing.assert_array_equal(example[:, :96], photographs()[0][1])


def test_the_noise_is_the_same_for_every_network():
    one, two = (scores_of(Keep(), {"a": photographs()}, CORRUPTIONS["poisson"])[0]["a"]["noisy"] for _ in range(2))
    assert one == two


def test_the_middle_is_looked_at():
    _, example = scores_of(Keep(), {"a": photographs(1, (81, 97))}, CORRUPTIONS["gaussian"], crop=64)
    np.testing.assert_array_equal(example[:, :64], photographs(1, (81, 97))[0][1][8:72, 16:80])


def test_side_by_side_keeps_the_middle():
    image = to_tensor(photographs(1, (300, 200))[0][1], torch.device("cpu"))
    assert side_by_side((image, image)).shape == (192, 384, 3)

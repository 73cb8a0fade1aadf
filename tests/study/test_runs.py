import math

import pytest

from n2n.study.runs import Run


def facts(noisy=20.0):
    scores = {"images": 2, "noisy": noisy, "psnr": 30.0, "psnr_float": 29.9, "ssim": 0.8, "each": [1, 2]}
    return {
        "noise": "text", "targets": "clean", "data": {}, "recipe": {"activation": "elu", "seed": 3},
        "final": {"validation_loss": 0.1, "validation_psnr": 28.0},
        "sets": {"kodak24": scores, "set14": scores | {"psnr": 26.0}},
    }  # fmt: skip


def test_figures_of_a_run():
    losses = [float(k) for k in range(20)]
    run = Run.of(facts(), {"step": losses, "training_loss": losses})
    assert run.training_loss == 18.5  # the last tenth
    assert run.test_psnr == 28.0 and (run.activation, run.seed, run.targets) == ("elu", 3, "clean")
    assert "each" not in run.sets["kodak24"]


def test_a_photograph_that_the_noise_did_not_touch_is_no_fault():
    """model.json holds null then: JSON has no infinity."""
    run = Run.of(facts(noisy=None), {"step": [1.0], "training_loss": [0.5]})
    assert run.sets["set14"]["noisy"] == math.inf and run.test_psnr == pytest.approx(28)

import numpy as np

from n2n.study.pictures import DASHES, curves_figure, examples_figure
from n2n.study.runs import Run


def run(noise, activation, targets, seed, example=True):
    steps = [1.0, 2.0, 3.0]
    curve = {"step": steps, "training_loss": [seed * v for v in steps], "validation_loss": steps}
    picture = np.full((8, 24, 3), 100 + seed, np.uint8) if example else None
    sizes = {"training_loss": 1.0, "validation_loss": 1.0, "validation_psnr": 1.0, "test_psnr": 1.0}
    rest = {"sets": {}, "recipe": {}, "data": {}, "curve": curve | {"validation_psnr": steps}, "example": picture}
    return Run(noise=noise, activation=activation, targets=targets, seed=seed, **sizes, **rest)


def test_a_curve_is_the_mean_over_the_seeds_in_a_band_of_all():
    figure = curves_figure([run("text", "elu", "noisy", seed) for seed in (1, 2, 3)])
    axis = figure.axes[0]
    (line,) = axis.get_lines()
    np.testing.assert_allclose(line.get_ydata(), [2, 4, 6])
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1, 9)


def test_kinds_of_targets_are_told_by_the_line():
    figure = curves_figure([run(noise, "elu", targets, 1) for noise in ("text", "poisson") for targets in DASHES])
    assert len(figure.axes) == 3 * 2 and all(len(axis.get_lines()) == 2 for axis in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ELU, noisy targets", "ELU, clean targets"]


def test_examples_are_of_the_first_seed_and_a_missing_one_stays_empty():
    runs = [run("text", "elu", "noisy", seed) for seed in (2, 1)] + [
        run("text", "leaky_relu", "noisy", 1, example=False)
    ]
    figure = examples_figure(runs)
    shown = [axis.get_images() for axis in figure.axes]
    assert [len(images) for images in shown] == [1, 1, 1, 0]
    assert shown[2][0].get_array().max() == 101

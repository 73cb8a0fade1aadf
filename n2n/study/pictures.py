"""The study's pictures: curves with bands over the seeds, and a sheet of examples."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from n2n.study.runs import Run

COLOURS = {"leaky_relu": "#0072B2", "elu": "#D55E00", "relu": "#009E73", "gelu": "#CC79A7", "silu": "#E69F00"}
NAMES = {"leaky_relu": "LeakyReLU", "elu": "ELU", "relu": "ReLU", "gelu": "GELU", "silu": "SiLU"}
DASHES = {"noisy": "-", "clean": (0, (4, 2))}


def curves_figure(runs: list[Run]) -> Figure:
    """Training loss, validation loss and validation PSNR over the steps; bands from the lowest to the highest seed."""
    noises = list(dict.fromkeys(r.noise for r in runs))
    rows = [("training_loss", "training loss"), ("validation_loss", "validation loss,\nnoisy targets")]
    rows.append(("validation_psnr", "validation PSNR,\nclean images [dB]"))
    figure = Figure(figsize=(3.1 * len(noises) + 1, 7.2), dpi=110, layout="constrained")
    axes = figure.subplots(len(rows), len(noises), sharex=True, squeeze=False)
    kinds = list(dict.fromkeys((r.activation, r.targets) for r in runs))
    for column, noise in enumerate(noises):
        axes[0, column].set_title(noise)
        for activation, targets in kinds:
            curves = [r.curve for r in runs if (r.noise, r.activation, r.targets) == (noise, activation, targets)]
            if not curves:
                continue
            for row, (key, _) in enumerate(rows):
                values, steps = np.array([curve[key] for curve in curves]), curves[0]["step"]
                axes[row, column].plot(
                    steps, values.mean(axis=0), color=COLOURS[activation], ls=DASHES[targets], lw=1.4
                )
                axes[row, column].fill_between(
                    steps, values.min(axis=0), values.max(axis=0), color=COLOURS[activation], alpha=0.15, lw=0
                )
        for row, (key, words) in enumerate(rows):
            axis = axes[row, column]
            axis.spines[["top", "right"]].set_visible(False)
            if key.endswith("loss"):
                axis.set_yscale("log")
            if column == 0:
                axis.set_ylabel(words)
        axes[-1, column].set_xlabel("step")
    handles = [Line2D([], [], color=COLOURS[a], ls=DASHES[t], label=f"{NAMES[a]}, {t} targets") for a, t in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(kinds)), frameon=False)
    return figure


def examples_figure(runs: list[Run]) -> Figure:
    """A row a noise: clean, noisy, and the outputs of the first seed for every activation and kind of target."""
    seed = min(r.seed for r in runs)
    noises = list(dict.fromkeys(r.noise for r in runs))
    kinds = list(dict.fromkeys((r.activation, r.targets) for r in runs))
    figure = Figure(figsize=(1.9 * (2 + len(kinds)), 2.0 * len(noises) + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(len(noises), 2 + len(kinds), squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for row, noise in enumerate(noises):
        for column, (activation, targets) in enumerate(kinds):
            wanted = (noise, activation, targets, seed)
            found = [r.example for r in runs if (r.noise, r.activation, r.targets, r.seed) == wanted]
            if not found or found[0] is None:
                continue
            views = np.split(found[0], 3, axis=1)
            titles = ["clean", f"noisy ({noise})", f"{NAMES[activation]},\n{targets} targets"]
            for place, view, title in zip((0, 1, 2 + column), views, titles, strict=True):
                axes[row, place].imshow(view, interpolation="nearest")
                if row == 0 or place == 1:
                    axes[row, place].set_title(title, fontsize=8)
    return figure

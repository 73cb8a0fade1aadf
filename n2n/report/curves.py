"""Curves of a training as a picture."""

from pathlib import Path

from n2n.formats.atomic import atomic_path


def plot_curves(path: Path, rows: list[tuple]) -> None:
    """Draw the loss of training and validation over the steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    steps = [row[0] for row in rows]
    axes.plot(steps, [row[1] for row in rows], color="#0072B2", label="training")
    axes.plot(steps, [row[2] for row in rows], color="#D55E00", label="validation (strip of the field not trained on)")
    axes.set_xlabel("step")
    axes.set_ylabel("loss against noisy targets [noise variance]")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")

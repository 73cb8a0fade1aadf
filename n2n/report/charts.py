"""Charts of the night's report: small inline SVG, drawn from numbers, coloured by the page's style sheet."""

import math
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 380  # units; about the pixels a chart gets on a phone, so that its text stays readable


@dataclass(frozen=True)
class Axis:
    """Maps values to a place between `start` and `stop`, linearly or by logarithm."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-12))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)


def steps(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers between `low` and `high`, about as many as asked for."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [(first + index) * step for index in range(int((high - first * step) / step + 1e-9) + 1)]


def log_steps(low: float, high: float) -> list[float]:
    """1, 2, 5, 10 ... inside the range; only powers of ten where that would be too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if len(found) <= 5:
            break
    return found


def label(value: float) -> str:
    """A number on an axis."""
    return f"{value:.6g}".replace("-", "−")


def line(x1, y1, x2, y2, kind: str) -> str:
    """A straight line of a style."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x, y, words, kind: str = "", anchor: str = "start") -> str:
    """Words at a place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def svg(parts: list[str], height: float, words: str) -> Markup:
    """The chart as one element; `words` say what it shows to those who cannot see it."""
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(words)}">'
    return Markup(head + "".join(map(str, parts)) + "</svg>")


def gain_chart(rows: list[tuple[str, tuple | None, tuple | None]]) -> Markup:
    """Gains with error bars on a logarithmic axis.

    Parameters
    ----------
    rows : list of (name, gain of the stack, gain of a single exposure)
        Each gain is ``(value, standard error)``; None where it is not known.
    """
    known = [gain for row in rows for gain in row[1:] if gain and is_certain(gain)]
    if not known:
        return Markup("")
    ends = [value + sign * (error or 0) for value, error in known for sign in (-1, 0, 1)]
    low, high = min(0.8, 0.9 * max(min(ends), 0.1)), max(4.0, 1.15 * max(ends))
    top, height, left, right = 20, 38, 142, 92
    bottom = top + height * len(rows)
    axis = Axis(low, high, left, WIDTH - right, log=True)
    parts = []
    for value in log_steps(low, high):
        parts.append(line(axis(value), top, axis(value), bottom, "grid"))
        parts.append(text(axis(value), bottom + 15, f"{label(value)}×", "tick", "middle"))
    parts.append(line(axis(1), top - 4, axis(1), bottom, "one"))
    parts.append(text(axis(1), top - 8, "no gain", "tick", "middle"))
    said = []
    for index, (name, *gains) in enumerate(rows):
        middle = top + height * (index + 0.5)
        parts.append(text(left - 10, middle + 4, name, "", "end"))
        for gain, kind, shift in zip(gains, ("full", "single"), (-8, 8), strict=True):
            if gain:
                y = middle + (shift if all(gains) else 0)
                parts += gain_marks(axis, gain, y, kind) if is_certain(gain) else []
                value = f"{plus_minus(*gain)} ×" if is_certain(gain) else "too uncertain"
                # Or an uncertain gain of one exposure would be read as a word about the stack's.
                parts.append(text(WIDTH, y + 4, f"○ {value}" if kind == "single" else value, kind, "end"))
                said.append(f"{name} ({kind}) {value}")
    return svg(parts, bottom + 22, "Gain: " + "; ".join(said))


def chi2_chart(rows: list[tuple[str, tuple]]) -> Markup:
    """Squared errors over their variance, 1 is right: ``(name, (value, standard error))`` for each row."""
    rows = [(name, found) for name, found in rows if found]
    if not rows:
        return Markup("")
    ends = [value + sign * (error or 0) for _, (value, error) in rows for sign in (-1, 1)]
    top, height, left, right = 20, 30, 142, 92
    bottom = top + height * len(rows)
    axis = Axis(min(0.8, *ends), max(1.2, *ends), left, WIDTH - right)
    parts = [f'<rect class="fair" x="{axis(0.95):.1f}" y="{top}" width="{axis(1.05) - axis(0.95):.1f}" '
             f'height="{bottom - top}"/>']  # fmt: skip
    for value in steps(axis.low, axis.high, 3):
        parts.append(line(axis(value), top, axis(value), bottom, "grid"))
        parts.append(text(axis(value), bottom + 15, label(value), "tick", "middle"))
    parts.append(line(axis(1), top - 4, axis(1), bottom, "one"))
    parts.append(text(axis(1), top - 8, "right", "tick", "middle"))
    for index, (name, found) in enumerate(rows):
        middle = top + height * (index + 0.5)
        parts.append(text(left - 10, middle + 4, name, "", "end"))
        parts += gain_marks(axis, found, middle, "full")
        parts.append(text(WIDTH, middle + 4, plus_minus(*found), "full", "end"))
    said = "; ".join(f"{name} {plus_minus(*found)}" for name, found in rows)
    return svg(parts, bottom + 22, f"Squared error over variance: {said}")


def is_certain(gain: tuple[float, float | None]) -> bool:
    """Whether a gain is known better than by a factor of two; else its number says nothing."""
    return not gain[1] or gain[1] < gain[0]


def gain_marks(axis: Axis, gain: tuple[float, float | None], y: float, kind: str) -> list[str]:
    """A dot with its error bar."""
    value, error = gain
    parts = []
    if error:
        ends = [axis(min(max(value + sign * error, axis.low), axis.high)) for sign in (-1, 1)]
        parts = [line(ends[0], y, ends[1], y, f"bar {kind}")]
        wide = ends[1] - ends[0] > 11  # else the dot hides the ends
        parts += [line(end, y - 4, end, y + 4, f"bar {kind}") for end in ends if wide]
    return [*parts, f'<circle class="dot {kind}" cx="{axis(value):.1f}" cy="{y:.1f}" r="4.2"/>']


def curves_chart(points: list[tuple[float, float, float]]) -> Markup:
    """Training and validation loss over the steps: ``(step, training, validation)``."""
    if len(points) < 2:
        return Markup("")
    losses = [loss for point in points for loss in point[1:]]
    low, high = min(losses), max(losses)
    margin = 0.15 * (high - low) or 0.1 * abs(high) or 1.0
    x = Axis(points[0][0], points[-1][0], 46, WIDTH - 8)
    y = Axis(low - margin, high + margin, 186, 8)
    parts = frame(x, y, steps(y.low, y.high, 6), steps(x.low, x.high, 5))
    parts.append(text(WIDTH - 8, 221, "training step", "tick", "end"))
    for column, kind, name in ((1, "training", "training"), (2, "validation", "validation")):
        path = " ".join(f"{x(point[0]):.1f},{y(point[column]):.1f}" for point in points)
        parts.append(f'<polyline class="curve {kind}" points="{path}"/>')
        near = [y(point[column]) for point in points if x(point[0]) > WIDTH - 90]
        above = points[-1][column] >= points[-1][3 - column]
        place = min(near) - 7 if above else max(near) + 16
        parts.append(text(WIDTH - 10, place, name, f"curve-name {kind}", "end"))
    first, last = points[0], points[-1]
    words = f"Loss over {last[0]:.0f} training steps: training from {first[1]:.4g} to {last[1]:.4g}, "
    words += f"validation from {first[2]:.4g} to {last[2]:.4g}"
    return svg(parts, 226, words)


def night_chart(points: list[dict], what: str, limit: float | None = None) -> Markup:
    """One quality of the exposures over the night.

    Parameters
    ----------
    points : list of dict
        ``x`` (seconds or number), ``y``, ``used``, ``words`` (shown when pointed at), ``tick`` (its time).
    what : str
        Name of the quality.
    limit : float, optional
        Drawn as a dashed line where it lies within the range.
    """
    points = [point for point in points if point["y"] is not None]
    if len(points) < 2:
        return Markup("")
    values = [point["y"] for point in points] + ([limit] if limit is not None else [])
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
    first, last = min(p["x"] for p in points), max(p["x"] for p in points)
    pad = 0.02 * (last - first) or 0.5
    x, y = Axis(first - pad, last + pad, 46, WIDTH - 6), Axis(low - margin, high + margin, 128, 8)
    parts = frame(x, y, steps(y.low, y.high, 4), [])
    by_time = sorted(points, key=lambda point: point["x"])
    for chosen, anchor in ((by_time[0], "start"), (by_time[-1], "end")):
        parts.append(text(46 if anchor == "start" else WIDTH - 6, 145, chosen["tick"], "tick", anchor))
    if limit is not None:
        parts.append(line(46, y(limit), WIDTH - 6, y(limit), "limit"))
        parts.append(text(WIDTH - 8, y(limit) - 4, "limit", "tick", "end"))
    for point in by_time:
        parts.append(mark(x(point["x"]), y(point["y"]), point))
    rejected = sum(not point["used"] for point in points)
    return svg(parts, 150, f"{what} of {len(points)} exposures over the night, {rejected} of them rejected")


def mark(x: float, y: float, point: dict) -> str:
    """A dot for an exposure that was used, a cross for one that was not."""
    title = f"<title>{escape(point['words'])}</title>"
    if point["used"]:
        return f'<circle class="used" cx="{x:.1f}" cy="{y:.1f}" r="2.8">{title}</circle>'
    cross = f"M{x - 4.5:.1f} {y - 4.5:.1f}l9 9m0-9l-9 9"
    return f'<path class="rejected" d="{cross}">{title}</path>'


def frame(x: Axis, y: Axis, rows: list[float], columns: list[float]) -> list[str]:
    """Grid lines with their numbers."""
    parts = []
    decimals = max((len(label(value).partition(".")[2]) for value in rows), default=0)
    for value in rows:
        parts.append(line(x.start, y(value), x.stop, y(value), "grid"))
        number = f"{value:.{decimals}f}".replace("-", "−")
        parts.append(text(x.start - 6, y(value) + 4, number, "tick", "end"))
    for value in columns:
        parts.append(text(x(value), y.start + 16, label(value), "tick", "middle"))
    return parts


def plus_minus(value: float | None, error: float | None, digits: int = 2, sign: bool = False) -> str:
    """A value with its standard error, rounded to `digits` digits of the error: ``16.0 ± 1.3``."""
    if value is None:
        return "–"
    if not error:
        said = f"{value:+.3g}" if sign and value else f"{value:.3g}"
        return said.replace("-", "−")
    wanted = digits - 1 - math.floor(math.log10(error))
    decimals = min(max(wanted, 0), 2 if abs(value) >= 0.1 else 4)
    if round(error, decimals) == 0:
        decimals = min(wanted - digits + 1, 4)
    if round(error, decimals) == 0 and round(value, decimals) == 0:
        return "below 0.0001"
    form = f"+.{decimals}f" if sign else f".{decimals}f"
    return f"{value:{form}} ± {error:.{decimals}f}".replace("-", "−")

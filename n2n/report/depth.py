"""What the report shows of `n2n inject`: how faint stars are found, and what is left of stars, blobs and filaments."""

from markupsafe import Markup

from n2n.formats.tables import number
from n2n.report.charts import WIDTH, Axis, frame, line, log_steps, plus_minus, svg, text

# Curves, from the top at a given S/N: key of inject.json, style, name.
CURVES = (("denoised", "training", "denoised"), ("filter", "validation", "stack, best filter"),
          ("stack", "plain", "plain stack"))  # fmt: skip
SHOWN = 30.0  # S/N up to which curves are drawn: beyond, everything is found


def depth_view(facts: dict) -> dict | None:
    """All the template says about injected objects; None where there were none."""
    injection = facts.get("injection") or {}
    if "depth" not in injection:
        return None
    depth = injection["depth"]
    return {
        "chart": depth_chart(depth),
        "objects": injection["objects"],
        "deeper": plus_minus(*(depth["delta_m90"][key] for key in ("value", "standard_error")), sign=True),
        "snr90": [f"{depth['images'][depth[name]]['snr90']:.1f}" for name in ("searched", "reference")],
        "stars": star_rows(injection),
        "extended": extended_rows(injection),
    }


def depth_chart(depth: dict) -> Markup:
    """Share of the injected stars that are found, against their signal-to-noise ratio."""
    chosen = [index for index, (ratio, n) in enumerate(zip(depth["bins_snr"], depth["injected"], strict=True))
              if n > 0 and ratio <= SHOWN]  # fmt: skip
    if len(chosen) < 2:
        return Markup("")
    ratios = [depth["bins_snr"][index] for index in chosen]
    x, y = Axis(ratios[0] * 0.95, ratios[-1] * 1.05, 46, WIDTH - 8, log=True), Axis(0, 104, 186, 8)
    parts = frame(x, y, [0, 25, 50, 75, 100], log_steps(x.low, x.high))
    parts.append(line(x.start, y(90), x.stop, y(90), "limit"))
    parts.append(text(WIDTH - 8, 221, "signal-to-noise ratio in the stack", "tick", "end"))
    parts.append(text(46, 221, "found [%]", "tick"))
    said = []
    for row, (key, kind, name) in enumerate(CURVES):
        image = depth["images"][depth["searched"] if key == "denoised" else key]
        shares = [100 * image["found"][index] / depth["injected"][index] for index in chosen]
        points = " ".join(f"{x(ratio):.1f},{y(share):.1f}" for ratio, share in zip(ratios, shares, strict=True))
        parts.append(f'<polyline class="curve {kind}" points="{points}"/>')
        parts.append(text(WIDTH - 10, y(46) + 18 * row, name, f"curve-name {kind}", "end"))
        said.append(f"{name}: 90 % at {image['snr90']:.1f}, 50 % at {image['snr50']:.1f}")
    return svg(parts, 226, "Share of injected stars found, by signal-to-noise ratio. " + "; ".join(said))


def star_rows(injection: dict) -> list[dict]:
    """Photometry of injected stars by S/N: name, count and cells (stack, denoised) of bias, scatter, place, width."""
    widths = {row["low"]: row for row in injection["shapes"]}
    rows = []
    for found in injection["stars"]:
        span = f"{found['low']:g} to {found['high']:g}" if found["high"] else f"above {found['low']:g}"
        stack, denoised = found["stack"], found["denoised"]
        cells = [
            f"{plus_minus(image[kind]['bias_mmag'], image[kind]['standard_error_mmag'], 1, sign=True)}"
            for kind in ("aperture", "psf") for image in (stack, denoised)
        ]  # fmt: skip
        cells += [f"{image[kind]['scatter_mmag']:.0f}" for kind in ("aperture", "psf") for image in (stack, denoised)]
        width = number((widths.get(found["low"]) or {}).get("width_change"))
        cells.append("–" if width is None else f"{100 * width:+.1f}".replace("-", "−"))
        rows.append({"span": span, "n": found["n"], "cells": cells})
    return rows


def extended_rows(injection: dict) -> list[dict]:
    """Light and width left of blobs and filaments, percent."""
    return [
        {
            "name": f"{row['kind']}s of {row['low']:.1f} to {row['high']:.1f} σ a pixel",
            "n": row["n"],
            "cells": [plus_minus(100 * row[key], 100 * row[f"{key}_error"], 1) for key in ("flux", "width")],
        }
        for row in injection["extended"]
    ]

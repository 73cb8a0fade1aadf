"""What the runs of the study say, in tables and sentences."""

import csv
import io

import numpy as np

from n2n.study.comparisons import FIGURES
from n2n.study.pictures import NAMES
from n2n.study.runs import Run


def table(runs: list[Run]) -> str:
    """One row a run and test set."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = "noise activation targets seed test_set images psnr_noisy_db psnr_db psnr_float_db ssim"
    writer.writerow([*heads.split(), "training_loss", "validation_loss", "validation_psnr_db"])
    for r in runs:
        for name, scores in r.sets.items():
            figures = [scores["images"], *(f"{scores[k]:.4f}" for k in ("noisy", "psnr", "psnr_float", "ssim"))]
            losses = [f"{r.training_loss:.6f}", f"{r.validation_loss:.6f}", f"{r.validation_psnr:.4f}"]
            writer.writerow([r.noise, r.activation, r.targets, r.seed, name, *figures, *losses])
    return out.getvalue()


def comparison_table(found: list[dict]) -> str:
    """The comparisons as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, found[0].keys() if found else ["what"], lineterminator="\n")
    writer.writeheader()
    for row in found:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return out.getvalue()


def verdict(runs: list[Run], found: list[dict]) -> str:
    """Markdown: what was compared, the figures, one sentence a comparison."""
    first = runs[0]
    recipe = first.recipe
    seeds = len({r.seed for r in runs})
    lines = [
        "# ELU or LeakyReLU, clean or noisy targets",
        "",
        f"{len(runs)} networks ({recipe['network']} U-Net, width {recipe['width']}, {recipe['steps']} steps of "
        f"{recipe['batch']} crops of {recipe['crop']} px), {seeds} seeds, {first.data['training_images']} training "
        f"and {first.data['validation_images']} validation photographs.",
        "",
        "PSNR in dB, on clean images, after rounding to 8 bits, and SSIM; mean over seeds ± standard error.",
        "",
        *score_lines(runs),
        "",
        "## Verdicts",
        "",
        "Differences between runs of one seed, mean ± standard error. A verdict needs a difference beyond the 95 %",
        f"limit of Student's t for {seeds} seeds; of {len(found)} comparisons about {0.05 * len(found):.1f} exceed it "
        "by chance.",
        "",
    ]
    decimals = {words: digits for _, words, _, _, digits in FIGURES}
    for noise in dict.fromkeys(row["noise"] for row in found):
        lines += [f"**{noise}**", ""]
        lines += [f"- {sentence(row, decimals[row['figure']])}" for row in found if row["noise"] == noise]
        lines.append("")
    lines.append(
        "The validation loss is taken against noisy targets: it contains their noise and is no measure of quality."
    )
    return "\n".join(lines) + "\n"


def sentence(row: dict, decimals: int) -> str:
    """One comparison in words."""
    unit = f" {row['unit']}" if row["unit"] else ""
    size = f"{row['difference']:+.{decimals}f} ± {row['standard_error']:.{decimals}f}{unit}"
    first, second = row["what"].split(" less ")
    if not row["decided"]:
        return f"{row['figure']}: no verdict, {row['what']} {size}, limit {row['limit']:.{decimals}f}."
    better = (row["difference"] > 0) == row["more_is_better"]
    return f"{row['figure']}: **{first} is {'better' if better else 'worse'} than {second}**, {size}."


def score_lines(runs: list[Run]) -> list[str]:
    """Markdown table: a row a noise, activation and kind of target, a column a test set."""
    sets = list(dict.fromkeys(name for r in runs for name in r.sets))
    lines = [
        "| noise | activation | targets | validation | " + " | ".join(f"{name}, SSIM (noisy)" for name in sets) + " |",
        "|---" * (4 + len(sets)) + "|",
    ]
    for key in dict.fromkeys((r.noise, r.activation, r.targets) for r in runs):
        chosen = [r for r in runs if (r.noise, r.activation, r.targets) == key]
        cells = [with_error([r.validation_psnr for r in chosen])]
        for name in sets:
            noisy = np.mean([r.sets[name]["noisy"] for r in chosen])
            ssim = np.mean([r.sets[name]["ssim"] for r in chosen])
            cells.append(f"{with_error([r.sets[name]['psnr'] for r in chosen])}, {ssim:.3f} ({noisy:.2f})")
        lines.append(f"| {key[0]} | {NAMES[key[1]]} | {key[2]} | " + " | ".join(cells) + " |")
    return lines


def with_error(values: list[float]) -> str:
    """Mean ± standard error."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.2f}"

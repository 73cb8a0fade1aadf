import csv

import numpy as np
import pytest
from PIL import Image

from n2n.cli import main
from n2n.formats.tables import write_json
from n2n.stages.study import read_run
from n2n.study.comparisons import comparisons

SIZES = {"batch": 4, "crop": 64}
HEAD = "step,training_loss,validation_loss,validation_psnr,learning_rate,seconds"


def write_run(folder, noise, activation, targets, seed, psnr):
    path = folder / f"{noise}-{activation}-{targets}-{seed}" / "model.json"
    path.parent.mkdir(parents=True)
    final = {"validation_loss": 0.02 - psnr / 1e4, "validation_psnr": psnr}
    scores = {"images": 2, "noisy": 20.0, "psnr": psnr, "psnr_float": psnr - 0.1, "ssim": 0.8, "each": []}
    facts = {
        "kind": "photo", "noise": noise, "targets": targets, "final": final, "sets": {"kodak24": scores},
        "recipe": {"activation": activation, "seed": seed, "network": "paper", "width": 12, "steps": 20} | SIZES,
        "data": {"training_images": 6, "validation_images": 2},
    }  # fmt: skip
    write_json(path, facts)
    rows = [
        f"{step},{0.02 - step / 1e4},{final['validation_loss']},{psnr - 20 + step},0.001,{step}" for step in (10, 20)
    ]
    path.with_name("training.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    Image.fromarray(np.full((32, 96, 3), 90 + seed, np.uint8)).save(path.with_name("example.png"))
    return path


@pytest.fixture
def grid(tmp_path):
    """ELU is 0.5 dB better for Gaussian noise at every seed; for text only chance differs. Targets never matter."""
    chance = {1: 0.9, 2: -1.0, 3: 0.2}
    paths = []
    for seed, common in ((1, 0.0), (2, 3.0), (3, -2.0)):
        for targets in ("noisy", "clean"):
            for activation in ("leaky_relu", "elu"):
                elu = activation == "elu"
                wobble = 0.01 * seed * (1 if targets == "noisy" else -1)
                gauss = 28 + common + 0.5 * elu + (0.02 * seed if elu else 0) + (wobble if seed != 2 else -wobble)
                paths.append(write_run(tmp_path / "runs", "gaussian", activation, targets, seed, gauss))
                paths.append(
                    write_run(tmp_path / "runs", "text", activation, targets, seed, 25 + common + elu * chance[seed])
                )
    return paths


def run(grid, output):
    assert main(["study", *map(str, grid), "-o", str(output)]) == 0
    return output.read_text()


def test_verdicts_only_where_the_errors_bear_them(grid, tmp_path):
    text = run(grid, tmp_path / "verdict.md")
    gaussian, text_noise = text.split("**gaussian**")[1].split("**text**")
    assert "test PSNR: **ELU is better than LeakyReLU**, +0.54 ± 0.01 dB" in gaussian
    assert "ELU is better" not in text_noise and "no verdict, ELU less LeakyReLU" in text_noise
    assert "noisy targets is" not in text and "noisy less clean targets" in text


def test_tables_and_pictures(grid, tmp_path):
    run(grid, tmp_path / "verdict.md")
    with open(tmp_path / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and {row["test_set"] for row in rows} == {"kodak24"}
    assert float(rows[0]["psnr_db"]) == pytest.approx(28 + 0.01, abs=1e-3)
    with open(tmp_path / "comparisons.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["what"] for row in found} == {"ELU less LeakyReLU", "noisy less clean targets"}
    assert all(int(row["pairs"]) == 3 for row in found)
    for name in ("curves.png", "examples.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 500 and np.asarray(picture.convert("L")).std() > 5


def test_runs_of_one_seed_are_one_sample(grid):
    runs = [read_run(path) for path in grid]
    found = comparisons(runs)
    assert all(row["pairs"] == 3 for row in found)  # not 6: both kinds of targets share crops and noise


def test_a_nights_model_is_refused(tmp_path, capsys):
    write_json(tmp_path / "model.json", {"kind": "night"})
    assert main(["study", str(tmp_path / "model.json"), "-o", str(tmp_path / "verdict.md")]) == 1
    assert "n2n photo train --noise" in capsys.readouterr().err

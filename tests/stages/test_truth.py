import json
from dataclasses import replace

import numpy as np
import pytest
from finished import call, dimmed, shipped, truths, write_candidate
from scipy import ndimage

from n2n.fidelity.truth import registration_errors, truth_stack
from n2n.stages.truth import figures


@pytest.fixture
def night(chain):
    return shipped(chain)


def test_the_table_is_finite_and_right(night, capsys, tmp_path):
    call("truth", night.base, "--json", tmp_path / "truth.json")
    table = capsys.readouterr().out
    assert "2026-10-03/M31_L" in table and "nan" not in table
    (row,) = json.loads((tmp_path / "truth.json").read_text())
    # The candidate kept 0.4 of the noise: 1 / 0.4^2.
    assert row["gain"] == pytest.approx(6.25, rel=0.03)
    assert all(value == pytest.approx(6.25, rel=0.15) for value in row["zones"].values())
    assert row["claimed"] == night.facts["exposure_gain"]["value"]
    assert np.isfinite(row["flux_bias"]) and row["flux_stars"] >= 4
    assert abs(row["flux_bias"]) < 0.01


def test_what_the_stack_differs_by_from_the_truth_is_its_noise(chain, group):
    facts = truths(chain).full
    _, depth, _ = group.mean()
    usable = np.isfinite(facts.mean) & ~ndimage.binary_dilation(group.saturated, iterations=6)
    chi2 = ((facts.mean - facts.truth) ** 2 * depth / group.variance)[usable]
    assert chi2.mean() == pytest.approx(1, abs=0.12)
    bright = (facts.truth > 10 * facts.sigma)[usable]
    assert bright.sum() > 300 and np.median(chi2[bright]) < 2 * np.median(chi2[~bright])


def test_every_exposure_has_its_truth_on_the_scale_of_the_stack(chain, group):
    """Through clouds or in the clear: stars of the placed truth and of the placed exposure are as bright."""
    factors, levels = [], []
    for index in np.argsort([exposure.placement.transparency for exposure in group.exposures])[[0, 1, -2, -1]]:
        mean, _, _ = group.mean([index])
        truth = truth_stack(group.only([index]), chain.truth, 1.0)
        near = ndimage.binary_dilation(group.saturated, iterations=6)
        stars = np.isfinite(mean) & ~near & (np.nan_to_num(mean) > 100)
        dark = np.isfinite(mean) & (np.abs(np.nan_to_num(mean)) < 15)
        factors.append((mean[stars] * truth[stars]).sum() / (truth[stars] ** 2).sum())
        levels.append(np.median(mean[dark] - truth[dark]))
    spread = np.ptp([exposure.placement.transparency for exposure in group.exposures])
    assert spread > 0.08 and np.ptp(factors) < 0.025
    assert np.ptp(levels) < 1.5


def test_lost_light_shows(chain, night, tmp_path):
    for path in night.folder.iterdir():
        (tmp_path / path.name).symlink_to(path.resolve())
    for name in ("denoised.fits", "assessment.json"):
        (tmp_path / name).unlink()
    folder = tmp_path / "2026-10-03" / "M31_L"
    folder.mkdir(parents=True)
    for path in tmp_path.iterdir():
        if path.is_symlink():
            path.rename(folder / path.name)
    write_candidate(chain, tmp_path / "c.h5", dimmed)
    # With limits so wide that the harm is shipped.
    wide = ("flux-bias", "light-change", "unconfirmed", "overshoot")
    night.assess(
        tmp_path / "c.h5", folder / "denoised.fits", *(part for name in wide for part in (f"--max-{name}", "1"))
    )
    row = figures(folder, chain.truth)
    assert row["flux_bias"] == pytest.approx(-0.05, abs=0.012)
    assert row["gain"] < 6


def test_without_a_simulated_night_it_says_what_to_do(tmp_path, capsys):
    call("truth", tmp_path, expect=1)
    assert "n2n simulate" in capsys.readouterr().err


def test_a_wrong_matrix_shows(chain, group):
    errors = registration_errors(group, chain.truth)
    assert len(errors) == len(group.exposures) - 1 and np.median(errors) < 0.1 and errors.max() < 0.2
    spoilt = group.only(slice(None))
    index = next(i for i, one in enumerate(group.exposures) if one.path != group.facts.reference)
    placement = spoilt.exposures[index].placement
    moved = replace(placement, matrix=np.add(placement.matrix, [[0, 0, 1], [0, 0, 0]]))
    spoilt.exposures[index] = replace(spoilt.exposures[index], placement=moved)
    assert registration_errors(spoilt, chain.truth).max() == pytest.approx(0.5**0.5, abs=0.15)

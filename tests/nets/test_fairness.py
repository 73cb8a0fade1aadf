import pytest
import torch

from n2n.nets.fairness import DETAILS, LEAST, SURE, Fairness, star_filter

SIDE, NOISE = 128, 2.0


def generator(seed):
    return torch.Generator().manual_seed(seed)


def stars(seed, count=4):
    """Skies of stars, S/N about 4 to 60 in white noise."""
    random = generator(seed)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    skies = torch.zeros(count, 1, SIDE, SIDE)
    for sky in skies:
        for _ in range(60):
            left, top = (torch.rand(2, generator=random) * (SIDE - 30) + 15).tolist()
            peak = NOISE * float(torch.exp(torch.rand((), generator=random) * 2.7)) * 2
            sky += peak * torch.exp(-((x - left) ** 2 + (y - top) ** 2) / (2 * 1.3**2))
    return skies


def seen(truth, seed, depth=1.0):
    return truth + NOISE / depth**0.5 * torch.randn(truth.shape, generator=generator(seed))


def flat(truth, value):
    return torch.full_like(truth, value)


def test_the_filter_sees_no_level_and_keeps_the_noise():
    rows, columns = star_filter()
    kernel = (columns[0] * rows[:, 0]).sum(0)
    assert kernel.shape == (17, 17)
    assert abs(float(kernel.sum())) < 1e-3 * float(kernel.abs().sum())
    assert float((kernel**2).sum()) == pytest.approx(1)


@pytest.mark.parametrize("lost", [0.0, 0.1])
@pytest.mark.parametrize("noisy", [False, True])
def test_it_tells_what_share_of_the_light_is_lost(lost, noisy):
    """With noisy guides, too: what is bright by chance in them is not so in the input, nor in the witness."""
    changes = lights = numbers = 0
    for seed in range(8):
        truth = stars(seed)
        source = seen(truth, 100 + seed)
        output = truth * (1 - lost) + 0.3 * (source - truth)
        guides = (seen(truth, 200 + seed, 2.0), seen(truth, 300 + seed, 2.0)) if noisy else (truth, truth)
        sigma = flat(truth, NOISE / 2**0.5) if noisy else None
        found = Fairness(1.0).sums(output, flat(truth, NOISE), *guides, sigma)
        changes, lights, numbers = (a + b for a, b in zip((changes, lights, numbers), found, strict=True))
    told = [low >= LEAST or not noisy for low, _ in DETAILS]
    changes, lights, numbers = (part[: len(told)] for part in (changes, lights, numbers))
    assert (numbers > 50).tolist() == told
    changes, lights, numbers = (part[torch.tensor(told)] for part in (changes, lights, numbers))
    error = (1.5 / numbers.sqrt()) * numbers / lights
    # A noisy guide takes stars for a little brighter than they are: what they lost seems a smaller share.
    assert ((changes / lights + lost).abs() < 4 * error + 0.1 * lost).all()


def test_its_gradient_gives_the_light_back():
    truth = stars(1)
    fairness, share = Fairness(1.0), torch.tensor(0.9, requires_grad=True)
    optimiser = torch.optim.SGD([share], lr=0.002)
    for _ in range(400):
        optimiser.zero_grad()
        fairness(truth * share, flat(truth, NOISE), truth, truth).backward()
        optimiser.step()
    assert float(share.detach()) == pytest.approx(1, abs=0.01)


def test_where_the_noise_is_infinite_nothing_counts():
    truth = stars(2)
    sigma = flat(truth, NOISE)
    sigma[..., : SIDE // 2, :] = torch.inf
    output = (0.5 * truth).requires_grad_()
    fairness = Fairness(1.0)
    fairness(output, sigma, truth, truth)  # remembers
    fairness(output, sigma, truth, truth).backward()
    assert torch.isfinite(output.grad).all()
    assert (output.grad[..., : SIDE // 2, :] == 0).all() and (output.grad != 0).any()


def test_the_peaks_of_a_guides_noise_are_no_stars():
    empty = torch.zeros(4, 1, SIDE, SIDE)
    guide, witness = seen(empty, 1, 0.1), seen(empty, 2)
    sigma = flat(empty, NOISE / 0.1**0.5)
    _, _, numbers = Fairness(1.0).sums(empty, flat(empty, NOISE), guide, witness, sigma)
    assert float(guide.max()) > 12 * NOISE / 2 and SURE * float(sigma.max()) > float(guide.max())
    assert int(numbers.sum()) <= 2


def test_an_empty_sky_changes_nothing():
    empty = torch.zeros(2, 1, 64, 64)
    fairness = Fairness(1.0)
    assert float(fairness(empty, flat(empty, NOISE), empty, empty)) == 0
    assert (fairness.change == 0).all()

r"""The network every night starts from: trained on made-up skies whose truth is known.

    python benchmarks/prior/train.py --width 32 -o small.safetensors
    python benchmarks/prior/train.py --from small.safetensors --steps 20000 --rate 0.0015 -o wide.safetensors
    python benchmarks/prior/train.py --from wide.safetensors --steps 4500 --rate 0.0005 --seed 2 \
        -o n2n/nets/prior.safetensors

Draws skies (nebulae, filaments, galaxies, star fields, smooth glow, nothing at all) and how a telescope sees them,
makes fresh noise at every step (photons, read-out, hot pixels that no master knew, correlated by resampling), and asks
for the sky without noise, and that what is faint keeps its light on average (n2n.nets.fairness; the weights that come
with n2n learned that in the last run only). No image of a telescope is in it. The generators of nebulae, galaxies and
stars are those of `n2n.simulate`, which other benchmarks use with other seeds.

--from goes on with the weights of a smaller network: it is widened so that it answers as before (Chen et al. 2016,
Net2Net), and learns what the new channels are good for.

Question: How were the start weights made?
Asked: nothing; benchmarks/denoise measures what they are worth.
Reached: n2n/nets/prior.md says how the weights that come with n2n were made
"""

import argparse
import time
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy import ndimage

from n2n.nets.bands import band_noise
from n2n.nets.fairness import Fairness
from n2n.nets.loop import fit, generator_of
from n2n.nets.prior import ACTIVATION, WIDTH
from n2n.nets.training import orient
from n2n.nets.unet import Denoiser
from n2n.simulate.optics import Conditions, render
from n2n.simulate.scene import Scene, canvas_shape, galaxies, gaussian_field, nebula, stars

SHAPE = (320, 320)  # px, a sky
FIRST_SEED = 1_000_000  # scenes of other benchmarks and tests use small seeds
CROP, MARGIN = 96, 4
BATCH, RATE = 6, 0.002
FAIR = 0.1  # weight of `Fairness` in the loss
KINDS = {"nebula": 0.25, "filaments": 0.2, "galaxies": 0.2, "glow": 0.1, "clouds": 0.1, "empty": 0.15}
HOT = 0.003  # most hot pixels that no master knew, share of the detector's
CORRELATED = (0.0, 0.5, 1.0, 1.4)  # powers of the mean transfer function of resampling


def sky(seed: int) -> np.ndarray:
    """One sky as an exposure would see it without noise and background; float32, e-/px on an arbitrary scale."""
    rng = np.random.default_rng(FIRST_SEED + seed)
    shape = canvas_shape(SHAPE)
    diffuse = np.zeros(shape, np.float32)
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    if kind in ("nebula", "filaments"):
        # Part of a larger one: how fine a nebula is on the detector depends on its distance and on the telescope.
        whole = tuple(int(side * rng.uniform(1, 2.2)) for side in shape)
        diffuse = nebula(whole, rng, 1.0, rng.uniform(1.2, 2.0))[: shape[0], : shape[1]]
        diffuse = diffuse ** rng.uniform(0.7, 1.4) * (1.0 if kind == "nebula" else 0.35)
        diffuse = ndimage.gaussian_filter(diffuse, rng.choice([0, 0, 1.0, 2.5]))
    elif kind == "galaxies":
        high = np.exp(rng.uniform(np.log(300), np.log(3000)))
        small = rng.uniform(0.8, 3.0)
        diffuse = galaxies(shape, rng, rng.integers(3, 40), (20.0, high), (small, small * rng.uniform(2, 5)))
    elif kind == "glow":
        diffuse = ndimage.gaussian_filter(nebula(shape, rng, 1.0, 1.5), rng.uniform(4, 12)) * 3
        diffuse += galaxies(shape, rng, 6, (20.0, 500.0), (1.0, 6.0))
    elif kind == "clouds":
        field = gaussian_field(shape, rng, rng.uniform(2.6, 4.0), rng.uniform(20, 150), rng.uniform(1, 4))
        diffuse = np.exp(rng.uniform(0.5, 1.5) * field).astype(np.float32) * 0.3
    density = np.exp(rng.uniform(np.log(10), np.log(6000)))
    found = stars(SHAPE, rng, density, (rng.uniform(0.3, 2), np.exp(rng.uniform(np.log(500), np.log(2e4)))), 0, (1, 2))
    if rng.random() < 0.1:
        found = tuple(np.zeros((3, 0)))
    scene = Scene(diffuse.astype(np.float32), *found)
    # Elongated a little, and of another shape than the simulator's Moffat: optics and tracking differ.
    sight = Conditions(0, 0, 0, 1.0, rng.uniform(1.6, 4.2), 0.0, rng.uniform(0, 1), rng.uniform(0, 180))
    image = np.maximum(render(scene, SHAPE, sight), 0)
    return ndimage.gaussian_filter(image, rng.uniform(0, 0.8, 2)) if rng.random() < 0.6 else image


def kernels() -> list[torch.Tensor]:
    """Filters that correlate white noise as the mean of many resampled exposures is; their sums are 1."""
    side = 64
    k = np.fft.fftfreq(side)
    phases = (np.arange(16) + 0.5) / 16
    taps = np.arange(-3, 5)
    power = np.zeros(side)
    for phase in phases:
        weights = np.sinc(taps - phase) * np.sinc((taps - phase) / 4)
        weights /= weights.sum()
        power += np.abs((weights * np.exp(-2j * np.pi * k[:, None] * taps)).sum(axis=1)) ** 2 / len(phases)
    power = np.outer(power, power)
    made = []
    for exponent in CORRELATED:
        kernel = np.fft.fftshift(np.fft.ifft2(power ** (exponent / 2)).real)
        middle = side // 2
        kernel = kernel[middle - MARGIN : middle + MARGIN + 1, middle - MARGIN : middle + MARGIN + 1]
        made.append(torch.tensor(kernel / kernel.sum(), dtype=torch.float32)[None, None])
    return made


def noisy(bank: torch.Tensor, filters, noises, batch: int, generator) -> dict:
    """A batch of crops with fresh noise and the truth beneath."""

    def uniform(low, high):
        return low + (high - low) * torch.rand(batch, 1, 1, 1, generator=generator)

    side = CROP + 2 * MARGIN
    which = torch.randint(len(bank), (batch,), generator=generator)
    top, left = (torch.randint(bank.shape[-1] - side + 1, (batch,), generator=generator) for _ in range(2))
    crops = [bank[w, t : t + side, x : x + side] for w, t, x in zip(which, top, left, strict=True)]
    background = torch.exp(uniform(np.log(0.5), np.log(300.0)))
    read = torch.exp(uniform(np.log(1.0), np.log(4.0)))
    # A unit of the bank's light stands for so many sigma of an exposure's noise.
    unit = torch.sqrt(background + read**2) * torch.exp(uniform(np.log(0.15), np.log(6.0)))
    light = torch.stack(crops)[:, None] * unit
    depth = torch.round(torch.exp(uniform(0.0, np.log(128.0))))
    deep = torch.rand(batch, 1, 1, 1, generator=generator) < 0.5
    depth = torch.where(deep, torch.round(uniform(8, 64)), depth)
    expected = depth * (light + background)
    photons = torch.poisson(expected, generator=generator) - expected
    white = (photons + read * torch.sqrt(depth) * torch.randn(expected.shape, generator=generator)) / depth
    if bool(torch.rand((), generator=generator) < 0.5):
        # Hot pixels that no master knew, each in as many places as there are exposures.
        hits = torch.poisson((HOT * uniform(0, 1) * depth).expand(expected.shape), generator=generator)
        size = -torch.log(torch.rand(expected.shape, generator=generator).clamp(min=1e-6))
        white = white + hits * size * torch.exp(uniform(0.0, 1.5)) * torch.sqrt(background + read**2) / depth
    kind = int(torch.randint(len(filters), (), generator=generator))
    kept = float((filters[kind] ** 2).sum())
    noise = torch.nn.functional.conv2d(white, filters[kind])
    sky_variance = kept * (background + read**2)
    # Nobody knows the level of the sky exactly, nor is it even: what is below zero may not be taken for noise.
    place = torch.linspace(-1, 1, CROP)
    level, across, up = (torch.randn(batch, 1, 1, 1, generator=generator) for _ in range(3))
    level = (level + 0.5 * across * place + 0.5 * up * place[:, None]) * torch.sqrt(sky_variance / depth)
    truth = light[..., MARGIN:-MARGIN, MARGIN:-MARGIN] + 0.7 * level
    # The variance map of a night is a smoothed estimate from some 20 exposures, and the sky's where in doubt.
    scatter = 0.3 * np.sqrt(2 / 20) * (truth.clamp(min=0) + sky_variance)
    sample = truth + scatter * torch.randn(truth.shape, generator=generator)
    variance = sky_variance + kept * torch.clamp(torch.nn.functional.avg_pool2d(sample, 3, 1, 1), min=0)
    variance = torch.where(variance > sky_variance * 1.3, variance, sky_variance.expand_as(variance))
    # Where a nebula fills the field nobody sees the noise of the sky alone: it is taken for larger than it is.
    over = 1 + 0.2 * uniform(-0.2, 1) * (torch.rand(batch, 1, 1, 1, generator=generator) < 0.5)
    turn = int(torch.randint(8, (), generator=generator))
    planes = {
        "image": truth + noise,
        "truth": truth,
        "variance": torch.maximum(variance, over * sky_variance),
        "exact": kept * (truth.clamp(min=0) + background + read**2),
    }
    made = {name: orient(plane, turn) for name, plane in planes.items()}
    return made | {"depth": depth.expand_as(truth), "sky_variance": over * sky_variance, "band_noise": noises[kind]}


def answer(model: Denoiser, sample: dict) -> torch.Tensor:
    """What the network makes of a batch."""
    return model(sample["image"], sample["depth"], sample["sky_variance"], sample["variance"], sample["band_noise"])


def risk(out: torch.Tensor, sample: dict) -> torch.Tensor:
    """Squared error of each crop over that of the noisy image, in the noise's own units; shape (n,)."""
    return ((out - sample["truth"]) ** 2 * sample["depth"] / sample["exact"]).mean(dim=(1, 2, 3))


def brightness(sample: dict) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `Fairness` asks for: noise, and twice the truth."""
    return torch.sqrt(sample["exact"] / sample["depth"]), sample["truth"], sample["truth"]


def widened(small: dict[str, torch.Tensor], model: Denoiser) -> dict[str, torch.Tensor]:
    """State of `model` that answers as the narrower network of state `small` does.

    New channels keep the random weights that `model` has, and nothing that was there before listens to them yet.
    """
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    width = len(state["unet.down.0.bias"])
    had = len(small["unet.down.0.bias"])
    # Where the channels of a concatenation begin, and how many of each the narrower network had.
    joined = {"unet.up.0": [(0, had), (width, 2 * had)], "unet.join.0": [(0, 2 * had), (2 * width, 2 * had)]}
    for name, old in small.items():
        new = state[name]
        if name.endswith("bias"):
            new[: len(old)] = old
            continue
        spans = joined.get(name.removesuffix(".weight"), [(0, old.shape[1])])
        new[: len(old)] = 0
        first = 0
        for start, count in spans:
            new[: len(old), start : start + count] = old[:, first : first + count]
            first += count
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--from", dest="small", type=Path, help="weights of a narrower network to go on with")
    parser.add_argument("--steps", type=int, default=24000)
    parser.add_argument("--skies", type=int, default=960)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--state", type=Path, default=Path("prior-state.pt"), help="to go on from after a stop")
    parser.add_argument("-o", "--output", type=Path, default=Path("prior.safetensors"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.monotonic()
    with Pool(args.threads) as pool:
        skies = pool.map(sky, [args.seed * 10_000 + index for index in range(args.skies)], chunksize=8)
    bank = torch.from_numpy(np.stack(skies))
    print(f"{len(bank)} skies in {time.monotonic() - began:.0f} s", flush=True)
    filters = kernels()
    noises = []
    for kernel in filters:
        field = torch.randn(4, 1, 512, 512, generator=torch.Generator().manual_seed(5))
        field = torch.nn.functional.conv2d(field, kernel) / (kernel**2).sum().sqrt()
        noises.append(band_noise(field[:, 0]))
    torch.manual_seed(args.seed)
    model = Denoiser(args.width, ACTIVATION)
    if args.small:
        model.load_state_dict(widened(load_file(args.small), model))
    model.to(memory_format=torch.channels_last)
    fairness = Fairness(FAIR)
    tests = [noisy(bank, filters, noises, 16, generator_of(args.seed + 77, index)) for index in range(8)]

    def loss_of_step(step: int) -> torch.Tensor:
        sample = noisy(bank, filters, noises, BATCH, generator_of(args.seed, step))
        out = answer(model, sample)
        # The logarithm asks for the same *ratio* on easy and on hard skies.
        return torch.log(risk(out, sample) + 0.002).mean() + fairness(out, *brightness(sample))

    @torch.no_grad()
    def validate() -> tuple[float, ...]:
        answers = [answer(model, sample) for sample in tests]
        risks = torch.cat([risk(out, sample) for out, sample in zip(answers, tests, strict=True)])
        sums = [torch.stack(fairness.sums(out, *brightness(one))) for out, one in zip(answers, tests, strict=True)]
        changes, light, _ = sum(sums)
        print("light changed, percent: ", *(f"{share:+.1f}" for share in 100 * changes / light), flush=True)
        return (float(torch.log(risks).mean()),)

    fit(
        model,
        loss_of_step,
        validate,
        steps=args.steps,
        learning_rate=args.rate,
        fingerprint=f"{args.width} {args.small} {args.steps} {args.skies} {args.seed} {args.rate}",
        state_path=args.state,
        memory=fairness,
        validate_every=250,
        report=lambda line: print(line, flush=True),
    )
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, args.output)
    print(f"{time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()

"""A term of the loss that keeps the light of what is faint.

The least squared error is reached by taking a little from all that is faint: stars of S/N 5 to 8 lost 8 % of their
light, those of 8 to 15 2 % (`docs/notebook.md`). Whoever measures them would rather have them right on average. So the
mean change of all details of like brightness is made small, too; of the squared error this costs next to nothing.
"""

import torch
from torch import nn

STAR = 1.27  # px; width of the filter that tells how bright small details are
REACH = 8  # px; half the side of that filter
DETAILS = ((5, 8), (8, 15), (15, 30))  # S/N in the input, behind that filter
PIXELS = ((12, 20), (20, 40))  # light of single pixels, in units of the input's noise
SURE = 5.0  # sigma of a noisy guide; below are its noise's peaks
LEAST = 8.0  # S/N in the input of what a noisy guide names: fainter details it takes for brighter than they are
KEPT = 0.95  # share of the running mean that a step keeps
MOST = 0.5  # sigma; what a mean change counts at most
LARGEST = 4.0  # sigma; what a single change counts at most: of a bright star it is mostly seeing


class Fairness(nn.Module):
    """Mean change of details and pixels of like brightness; the running means are its state.

    Brightness is told by a *guide* and the change by a *witness*. Neither may share noise with the input or with the
    other, or what is bright by chance would seem to lose light. Without noise, as in simulations, both are the truth.

    Parameters
    ----------
    weight : float
        Of this term in the loss.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        for name, weights in zip(("rows", "columns"), star_filter(), strict=True):
            self.register_buffer(name, weights, persistent=False)
        self.register_buffer("change", torch.zeros(len(DETAILS) + len(PIXELS)))

    def forward(self, output, sigma, guide, witness, guide_sigma=None) -> torch.Tensor:
        """Term of the loss: its gradient is that of the squared mean changes, which are running means over many steps.

        Parameters
        ----------
        output, sigma : tensor, shape (n, 1, h, w)
            What the network made of its input, and the noise of that input; infinite where nothing counts.
        guide, witness : tensor, shape (n, 1, h, w)
            What is to be kept, seen by exposures that share no noise: the guide says where it is bright, the witness
            by how much the output differs.
        guide_sigma : tensor, shape (n, 1, h, w), optional
            Noise of the guide; without it the guide is the truth.
        """
        changes, _, numbers = self.sums(output, sigma, guide, witness, guide_sigma)
        # Few details say little: their mean counts less.
        mean = changes / (numbers + 5)
        seen = KEPT * self.change + (1 - KEPT) * mean.detach()
        self.change = torch.where(numbers > 0, seen, self.change)
        return self.weight * (2 * self.change.clamp(-MOST, MOST) * mean).sum()

    def sums(self, output, sigma, guide, witness, guide_sigma=None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sum of the changes, sum of the light, and number, of every span of brightness; shape (spans,).

        Parameters
        ----------
        output, sigma : tensor, shape (n, 1, h, w)
            As of `forward`.
        guide, witness : tensor, shape (n, 1, h, w)
            As of `forward`.
        guide_sigma : tensor, shape (n, 1, h, w), optional
            As of `forward`.
        """
        light, change = guide / sigma, (output - witness) / sigma
        snr, detail = (self.filtered(image) for image in (light, change))
        top = snr == nn.functional.max_pool2d(snr, 5, 1, 2)
        sigma, light, change = (image[..., REACH:-REACH, REACH:-REACH] for image in (sigma, light, change))
        counts = torch.isfinite(sigma)
        if guide_sigma is not None:
            surer = sigma / guide_sigma[..., REACH:-REACH, REACH:-REACH]
            top, counts = top & (snr * surer > SURE) & (snr > LEAST), counts & (light * surer > SURE)
        found = []
        detail, change = (one.clamp(-LARGEST, LARGEST) for one in (detail, change))
        for spans, by, measured, there in ((DETAILS, snr, detail, top & counts), (PIXELS, light, change, counts)):
            for low, high in spans:
                chosen = there & (by > low) & (by <= high)
                found.append(torch.stack([torch.where(chosen, one, 0).sum() for one in (measured, by, chosen.to(by))]))
        changes, lights, numbers = torch.stack(found, dim=1)
        return changes, lights, numbers

    def filtered(self, image: torch.Tensor) -> torch.Tensor:
        """Signal-to-noise ratio of details, `REACH` pixels smaller on every side."""
        return nn.functional.conv2d(nn.functional.conv2d(image, self.rows), self.columns)


def star_filter() -> tuple[torch.Tensor, torch.Tensor]:
    """A Gaussian less one three times as wide, scaled so that white noise keeps its variance.

    Returns
    -------
    rows : tensor, shape (2, 1, 1, 17)
    columns : tensor, shape (1, 2, 17, 1)
        To be applied one after the other, which takes a fifth of the time of both at once.
    """
    x = torch.arange(-REACH, REACH + 1, dtype=torch.float32)
    narrow, wide = (torch.exp(-(x**2) / (2 * width**2)) for width in (STAR, 3 * STAR))
    narrow, wide = narrow / narrow.sum(), wide / wide.sum()
    norm = ((torch.outer(narrow, narrow) - torch.outer(wide, wide)) ** 2).sum().sqrt()
    return torch.stack([narrow, wide])[:, None, None], torch.stack([narrow, -wide])[None, :, :, None] / norm

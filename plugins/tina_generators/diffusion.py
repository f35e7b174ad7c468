"""The diffusion process (Section 3, after Ho et al. 2020 and Song et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

BETA, PAPERS_STEPS = (1e-4, 0.02), 1000  # linear, as in the paper


class Diffusion:
    """J noise levels; level 0 is clean. `alpha_bar`: float32 `(J + 1,)`, ᾱ of each level.

    With another number of levels than the paper's, β is rescaled so that the last level is noise.
    """

    def __init__(self, steps: int) -> None:
        beta = torch.linspace(*BETA, steps, dtype=torch.float64) * (PAPERS_STEPS / steps)
        beta = beta.clamp(max=0.999)
        clean = torch.ones(1, dtype=torch.float64)
        self.steps = steps
        self.alpha_bar = torch.cat([clean, (1 - beta).cumprod(0)]).float()

    def add_noise(self, clean: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """x_j = √ᾱ_j x_0 + √(1 − ᾱ_j) ε. clean, noise: `(B, ...)`; level: int64 `(B,)`."""
        alpha = self.alpha_bar.to(clean.device)[level].view(-1, *[1] * (clean.ndim - 1))
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def levels(self, count: int) -> list[int]:
        """`count` + 1 evenly spaced levels from J down to 0."""
        return torch.linspace(self.steps, 0, count + 1).round().long().tolist()

    def sample(
        self,
        predict: Callable[[Tensor, int], Tensor],
        noise: Callable[[], Tensor],
        steps: int,
        eta: float,
    ) -> Tensor:
        """Sample from pure noise, with a network that predicts the clean signal.

        predict: (x_j, j) → x̂_0; noise: draws fresh noise of x's shape.
        eta: 1 is DDPM (its posterior, on the levels that are visited), 0 is DDIM.
        """
        x = noise()
        levels = self.levels(steps)
        for now, then in pairwise(levels):
            clean = predict(x, now)
            a, b = float(self.alpha_bar[now]), float(self.alpha_bar[then])
            sigma = eta * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
            direction = (x - a**0.5 * clean) / (1 - a) ** 0.5
            x = b**0.5 * clean + max(0.0, 1 - b - sigma**2) ** 0.5 * direction
            if sigma > 0:
                x = x + sigma * noise()
        return x

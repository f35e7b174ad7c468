"""Tina's transformer without diffusion, which shows what diffusion adds."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_generators.options import HypernetworkOptions
from tina_generators.tina import Noise, Predict, Tina


class Hypernetwork(Tina):
    """Maps prompts to a p-Model in one step: its input tokens are all 0 at the maximum noise level,
    so that the squared error is minimised by the mean p-Model of the prompts."""

    options: HypernetworkOptions

    def corrupt(
        self, clean: Tensor, prompts: Tensor, noise: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        return torch.zeros_like(clean), torch.ones(len(clean)), prompts

    def start(self, noise: Tensor) -> Tensor:
        return torch.zeros_like(noise)

    def sample(self, predict: Predict, noise: Noise) -> Tensor:
        return predict(self.start(noise()), 1.0, True)

"""Tina's transformer without diffusion: what the diffusion process adds can be read off it."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_generators.options import HypernetworkOptions
from tina_generators.tina import Noise, Predict, Tina


class Hypernetwork(Tina):
    """From prompts to a p-Model in one step: the tokens that it is given are all 0, as if they were
    nothing but noise, so that its squared error leads to the mean p-Model of the prompts."""

    options: HypernetworkOptions

    def corrupt(
        self, clean: Tensor, prompts: Tensor, noise: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        return torch.zeros_like(clean), torch.ones(len(clean)), prompts

    def sample(self, predict: Predict, noise: Noise) -> Tensor:
        return predict(torch.zeros_like(noise()), 1.0, True)

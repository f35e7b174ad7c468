"""Tina-DiT: from a task's conditions to its p-Model by diffusion (Section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_generators.diffusion import Diffusion
from tina_generators.options import TinaDiTOptions
from tina_generators.tina import Noise, Predict, Tina
from tina_kit.api import Augmentation, Tokenizer


class TinaDiT(Tina):
    """The paper's generator: diffusion with a network that predicts the clean signal."""

    options: TinaDiTOptions

    def __init__(
        self,
        options: TinaDiTOptions,
        tokenizer: Tokenizer,
        augmentations: tuple[Augmentation, ...] = (),
    ) -> None:
        super().__init__(options, tokenizer, augmentations)
        self.diffusion = Diffusion(options.diffusion_steps)

    def corrupt(
        self, clean: Tensor, prompts: Tensor, noise: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        level = torch.randint(1, self.diffusion.steps + 1, (len(clean),), generator=random)
        noisy = self.diffusion.add_noise(clean, level, noise)
        if self.options.drop_condition:
            dropped = torch.rand(len(clean), generator=random) < self.options.drop_condition
            padding = self.condition_scale(self.context.padding)
            prompts = torch.where(dropped[:, None, None], padding, prompts)
        return noisy, level / self.diffusion.steps, prompts

    def start(self, noise: Tensor) -> Tensor:
        return noise

    def sample(self, predict: Predict, noise: Noise) -> Tensor:
        options, guidance = self.options, self.options.guidance

        def clean(x: Tensor, level: int) -> Tensor:
            prompted = predict(x, level / self.diffusion.steps, True)
            if guidance == 1:
                return prompted
            plain = predict(x, level / self.diffusion.steps, False)
            return plain + guidance * (prompted - plain)

        eta = 1.0 if options.sampler == "ddpm" else 0.0
        return self.diffusion.sample(clean, noise, options.sampling_steps, eta)

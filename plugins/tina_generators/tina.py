"""Tina-DiT: from a task's conditions to its p-Model by diffusion (Section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_generators.base import Noise, Predict, Tina
from tina_generators.diffusion import Diffusion
from tina_generators.options import TinaDiTOptions
from tina_kit.api import Augmentation, Tokenizer, UserError


class TinaDiT(Tina):
    """The paper's: a diffusion process that the network predicts the clean signal of."""

    options: TinaDiTOptions

    def __init__(
        self,
        options: TinaDiTOptions,
        tokenizer: Tokenizer,
        augmentations: tuple[Augmentation, ...] = (),
    ) -> None:
        super().__init__(options, tokenizer, augmentations)
        if options.sampling_steps > options.diffusion_steps:
            raise UserError(
                f"sampling_steps ({options.sampling_steps}) must be at most diffusion_steps "
                f"({options.diffusion_steps})"
            )
        if options.guidance != 1 and not options.drop_condition:
            raise UserError(
                f"guidance ({options.guidance:g}) needs a network that was also trained without "
                "prompts: set drop_condition, for instance to 0.1"
            )
        self.diffusion = Diffusion(options.diffusion_steps)

    def corrupt(
        self, clean: Tensor, prompts: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        level = torch.randint(1, self.diffusion.steps + 1, (len(clean),), generator=random)
        noise = torch.randn(clean.shape, generator=random)
        noisy = self.diffusion.add_noise(clean, level, noise)
        if self.options.drop_condition:
            dropped = torch.rand(len(clean), generator=random) < self.options.drop_condition
            padding = self.condition_scale(self.context.padding)
            prompts = torch.where(dropped[:, None, None], padding, prompts)
        return noisy, level / self.diffusion.steps, prompts

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

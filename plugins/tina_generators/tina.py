"""Tina-DiT: from a task's conditions to its p-Model by diffusion (Section 4)."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tina_generators.diffusion import Diffusion
from tina_generators.normalisation import ConditionScale, Normalisation
from tina_generators.options import TinaDiTOptions
from tina_generators.transformer import Groups, TinaTransformer
from tina_kit.api import (
    Augmentation,
    Generator,
    Layout,
    Request,
    Step,
    Tokenizer,
    TokenMap,
    Training,
    UserError,
    Zoo,
)

TASKS = 64  # generated side by side


class TinaDiT(Generator):
    """Signal prediction on normalised parameter vectors.

    The loss is the mean over tokens of each token's squared error, so that a class's few
    classifier entries count as much as a chunk of hundreds.
    """

    network: TinaTransformer
    normalisation: Normalisation
    condition_scale: ConditionScale

    def __init__(
        self,
        options: TinaDiTOptions,
        tokenizer: Tokenizer,
        augmentations: tuple[Augmentation, ...] = (),
    ) -> None:
        if options.hidden_size % options.heads:
            raise UserError(
                f"tina-dit: heads ({options.heads}) must divide hidden_size ({options.hidden_size})"
            )
        if options.sampling_steps > options.diffusion_steps:
            raise UserError(
                f"tina-dit: sampling_steps ({options.sampling_steps}) must be at most "
                f"diffusion_steps ({options.diffusion_steps})"
            )
        self.options = options
        self.tokenizer = tokenizer
        self.augmentations = augmentations
        self.diffusion = Diffusion(options.diffusion_steps)

    def network_for(self, layout: Layout, classes: int, width: int) -> TinaTransformer:
        """A fresh network for p-Models of `layout`, `classes` of them, conditions of `width`."""
        options = self.options
        groups = Groups(self.tokenizer.tokens(layout))
        return TinaTransformer(
            groups, classes, width, options.hidden_size, options.depth, options.heads
        )

    def fit(self, zoo: Zoo) -> None:
        layout = self.context.architecture.layout(self.context.classes)
        tokens = self.tokenizer.tokens(layout)
        groups, token_map = Groups(tokens), TokenMap(layout, tokens)
        self.normalisation = Normalisation.fit(self.options.normalisation, zoo.vectors, layout)
        self.condition_scale = ConditionScale.fit(zoo)
        vectors = self.normalisation.normalise(zoo.vectors, layout)
        conditions = self.condition_scale(zoo.conditions)
        self.network = self.network_for(layout, self.context.classes, self.context.width)
        device, options = self.context.device, self.options
        present = zoo.tasks >= 0
        owner = layout.class_of_entries()

        def loss(step: Step) -> Tensor:
            random = step.generator
            pick = torch.randint(len(vectors), (options.batch_size,), generator=random)
            clean, prompts, mask = vectors[pick], conditions[pick], present[pick]
            for augment in self.augmentations:
                clean, prompts, mask = augment(clean, prompts, mask, layout, random)
            level = torch.randint(1, self.diffusion.steps + 1, (len(pick),), generator=random)
            noise = torch.randn(clean.shape, generator=random)
            noisy = self.diffusion.add_noise(clean, level, noise)
            target = token_map.encode(clean).to(device)
            predicted = self.network(
                token_map.encode(noisy).to(device),
                (level / self.diffusion.steps).to(device),
                prompts.to(device),
                groups,
            )
            counted = token_map.encode((mask[:, owner] | (owner < 0)).float()).to(device)
            entries = counted.sum(-1)  # (B, S), 0 for a token of absent classes
            error = ((predicted - target).square() * counted).sum(-1) / entries.clamp(min=1)
            mean: Tensor = error.sum() / (entries > 0).sum()
            return mean

        self.context.train(self.network, loss, self._training())

    def _training(self) -> Training:
        options = self.options
        return Training(
            steps=options.steps,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            warmup=round(options.warmup * options.steps),
            schedule=options.schedule,
            clip=options.clip,
            ema=options.ema or None,
        )

    def generate(self, request: Request) -> Tensor:
        classes = request.conditions.shape[1]
        layout = self.context.architecture.layout(classes)
        tokens = self.tokenizer.tokens(layout)
        groups, token_map = Groups(tokens), TokenMap(layout, tokens)
        if not groups.joined and classes != self.context.classes:
            raise UserError(
                f"this Tina was trained on tasks of {self.context.classes} classes and its "
                f"tokenizer allows no other number, {classes} were asked for. "
                "The tokenizer class-rows allows any"
            )
        device = self.context.device
        network = self.network.to(device).eval()
        conditions = self.condition_scale(request.conditions)
        vectors = []
        with torch.inference_mode():
            for part in conditions.split(TASKS):
                random = torch.Generator().manual_seed(request.seed)
                prompts = part.to(device)

                def predict(x: Tensor, level: int, prompts: Tensor = prompts) -> Tensor:
                    noise_level = torch.full((len(x),), level / self.diffusion.steps)
                    clean: Tensor = network(x, noise_level.to(device), prompts, groups)
                    return clean

                def noise(count: int = len(part), random: torch.Generator = random) -> Tensor:
                    return _noise(groups, token_map, random).expand(count, -1, -1).to(device)

                eta = 1.0 if self.options.sampler == "ddpm" else 0.0
                sample = self.diffusion.sample(predict, noise, self.options.sampling_steps, eta)
                vectors.append(token_map.decode(sample.float().cpu()))
        return self.normalisation.restore(torch.cat(vectors), layout)

    def save(self, folder: Path) -> None:
        tensors = {f"network.{k}": v.cpu() for k, v in self.network.state_dict().items()}
        tensors |= {f"normalisation.{k}": v for k, v in self.normalisation.tensors().items()}
        tensors["conditions.mean"] = self.condition_scale.mean
        tensors["conditions.scale"] = self.condition_scale.scale
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "tina.safetensors")
        facts = {
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "normalisation": self.options.normalisation,
            "classes": self.context.classes,
            "condition_width": self.context.width,
        }
        (folder / "tina.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        rooms: dict[str, dict[str, Tensor]] = {}
        for name, tensor in load_file(folder / "tina.safetensors").items():
            room, _, rest = name.partition(".")
            rooms.setdefault(room, {})[rest] = tensor
        self.normalisation = Normalisation.from_tensors(rooms["normalisation"])
        self.condition_scale = ConditionScale(**rooms["conditions"])
        layout = self.context.architecture.layout(self.context.classes)
        with torch.device("meta"):
            self.network = self.network_for(layout, self.context.classes, self.context.width)
        self.network.load_state_dict(rooms["network"], assign=True)


def _noise(groups: Groups, token_map: TokenMap, random: torch.Generator) -> Tensor:
    """`(1, S, W)`. Tasks share their noise, so that a p-Model depends on nothing but its prompts
    and the seed; tokens of a group share it too, so that it says nothing about their order."""
    noise = torch.zeros(1, len(token_map.tokens), token_map.width)
    for name, index in groups.index.items():
        size = groups.size[name]
        noise[:, index, :size] = torch.randn(1, 1, size, generator=random)
    return noise

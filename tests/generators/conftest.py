"""A small world in which Tina and its relatives learn in a second."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_augmentations.options import ClassifierPermutationOptions
from tina_augmentations.permutation import ClassifierPermutation
from tina_generators.base import Tina
from tina_generators.hypernetwork import Hypernetwork
from tina_generators.options import HypernetworkOptions, TinaDiTOptions
from tina_generators.tina import TinaDiT
from tina_tokenizers.options import ClassRowsOptions, LayerChunksOptions
from tina_tokenizers.tokenizers import ClassRows, LayerChunks

from tina_kit.api import Context, ImagePrompts, Zoo
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer

SMALL = {"hidden_size": 32, "depth": 2, "heads": 4, "steps": 30, "learning_rate": 3e-3, "clip": 1.0}
QUICK = {"sampler": "ddim", "sampling_steps": 2}
CLASSES = 20


class World:
    """20 classes, tasks of four. Classifier rows are a linear function of the class's condition.

    losses: of the last training, the mean of every 100 steps.
    """

    width = 16

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.losses: list[float] = []
        self._numbers = count()
        random = torch.Generator().manual_seed(1)
        self.rows = torch.randn(CLASSES, self.width, generator=random)
        self.mapping = torch.randn(self.width, 6, generator=random)
        self.padding = torch.randn(self.width, generator=random)

    def context(self, precision: str = "fp32", **changes) -> Context:
        architecture = CNN(CNNOptions(widths=(4, 6)))

        def train(*arguments) -> None:
            number = next(self._numbers)
            trainer = Trainer(
                label="fit",
                stream="fit",
                seed=0,
                device=torch.device("cpu"),
                precision=precision,
                checkpoints=lambda name: Checkpoint(self.folder / f"{name}-{number}.safetensors"),
            )
            trainer(*arguments)
            self.losses = trainer.losses[0]

        plain = Context(
            architecture=architecture,
            classes=4,
            class_count=CLASSES,
            width=self.width,
            padding=self.padding,
            generic=torch.zeros(architecture.layout(CLASSES).size),
            generic_classes=torch.arange(CLASSES),
            frozen={},
            device=torch.device("cpu"),
            train=train,
            learning=None,  # Tina learns from the zoo alone
            personalise=lambda tasks: pytest.fail("only the oracle may look"),
        )
        return replace(plain, **changes)

    def zoo(self, tasks: int = 40, smallest: int = 4, classes: int = 4) -> Zoo:
        """smallest: tasks have from so many classes on, drawn evenly."""
        random = torch.Generator().manual_seed(2)
        layout = self.context().architecture.layout(classes)
        drawn = torch.rand(tasks, CLASSES, generator=random).argsort(1)[:, :classes]
        vectors = torch.randn(tasks, layout.size, generator=random) * 0.01
        vectors[:, layout.slices["6.weight"]] += (self.rows @ self.mapping)[drawn].flatten(1)
        sizes = torch.randint(smallest, classes + 1, (tasks, 1), generator=random)
        present = torch.arange(classes) < sizes
        owner = layout.class_of_entries()
        vectors = vectors * (present[:, owner] | (owner < 0))
        conditions = torch.where(present[..., None], self.rows[drawn], self.padding)
        return Zoo(vectors, drawn.where(present, -1), conditions)

    def images(self, each: int = 5) -> ImagePrompts:
        """Noisy versions of each class's condition, in no order, more of some classes."""
        random = torch.Generator().manual_seed(3)
        labels = torch.arange(CLASSES).repeat(each)
        labels = torch.cat([labels, torch.arange(7)])
        labels = labels[torch.randperm(len(labels), generator=random)]
        noise = torch.randn(len(labels), self.width, generator=random) * 0.05
        return ImagePrompts(self.rows[labels] + noise, labels)

    def build(
        self,
        tokenizer: str = "class-rows",
        kind: str = "tina-dit",
        augment: bool = False,
        **options,
    ) -> Tina:
        tokens = {
            "class-rows": ClassRows(ClassRowsOptions()),
            "layer-chunks": LayerChunks(LayerChunksOptions()),
        }[tokenizer]
        augmentations = (ClassifierPermutation(ClassifierPermutationOptions()),) if augment else ()
        if kind == "hypernetwork":
            settings = HypernetworkOptions(**{**SMALL, **options})
            return Hypernetwork(settings, tokens, augmentations)
        return TinaDiT(TinaDiTOptions(**{**SMALL, **QUICK, **options}), tokens, augmentations)

    def fitted(self, *arguments, zoo: Zoo | None = None, context: Context | None = None, **options):
        generator = self.build(*arguments, **options)
        generator.setup(context or self.context())
        torch.manual_seed(0)
        generator.fit(zoo or self.zoo())
        return generator

    def weights_error(self, generator: Tina, made: torch.Tensor, wanted: torch.Tensor) -> float:
        """Of the classifier weights, as a part of their variance."""
        weight = generator.context.architecture.layout(4).slices["6.weight"]
        error = (made - wanted)[:, weight].square().mean() / wanted[:, weight].var()
        return float(error)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)

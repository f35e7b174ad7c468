"""A small world in which Tina and its relatives learn in a second."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_augmentations.options import ClassifierPermutationOptions
from tina_augmentations.permutation import ClassifierPermutation
from tina_generators.hypernetwork import Hypernetwork
from tina_generators.options import HypernetworkOptions, TinaDiTOptions
from tina_generators.tina import Tina
from tina_generators.tina_dit import TinaDiT
from tina_tokenizers.options import ClassRowsOptions, LayerChunksOptions
from tina_tokenizers.tokenizers import ClassRows, LayerChunks

from tina_kit.api import Context, Zoo
from tina_kit.testing import World

SMALL = {"hidden_size": 32, "depth": 2, "heads": 4, "batch_size": 16, "steps": 30}
SMALL |= {"learning_rate": 3e-3, "clip": 1.0}
QUICK = {"sampler": "ddim", "sampling_steps": 2}


class TinaWorld(World):
    """The world of the conformance suites, with the paper's network and Tinas built in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, CNN(CNNOptions(widths=(4, 6))))

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
def world(tmp_path: Path) -> TinaWorld:
    return TinaWorld(tmp_path)

"""Tina: its size, its symmetry, and that it learns, saves and loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_augmentations.options import ClassifierPermutationOptions
from tina_augmentations.permutation import ClassifierPermutation
from tina_generators.options import TinaDiTOptions
from tina_generators.tina import TinaDiT
from tina_tokenizers.options import ClassRowsOptions, LayerChunksOptions
from tina_tokenizers.tokenizers import ClassRows, LayerChunks

from tina_kit.api import Context, Request, UserError, Zoo
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer

SMALL = {"hidden_size": 32, "depth": 2, "heads": 4, "steps": 30, "learning_rate": 3e-3, "clip": 1.0}
TOKENIZERS = {
    "class-rows": ClassRows(ClassRowsOptions()),
    "layer-chunks": LayerChunks(LayerChunksOptions()),
}
WIDTH = 16


def tina(tokenizer: str = "class-rows", augment: bool = False, **options) -> TinaDiT:
    augmentations = (ClassifierPermutation(ClassifierPermutationOptions()),) if augment else ()
    settings = TinaDiTOptions(**{**SMALL, "sampler": "ddim", "sampling_steps": 2, **options})
    return TinaDiT(settings, TOKENIZERS[tokenizer], augmentations)


def context(folder: Path, classes: int = 4) -> Context:
    architecture = CNN(CNNOptions(widths=(4, 6)))
    trainer = Trainer(
        label="fit",
        stream="fit",
        seed=0,
        device=torch.device("cpu"),
        precision="fp32",
        checkpoints=lambda name: Checkpoint(folder / f"{name}.safetensors"),
    )
    return Context(
        architecture=architecture,
        classes=classes,
        class_count=20,
        width=WIDTH,
        generic=torch.zeros(architecture.layout(20).size),
        device=torch.device("cpu"),
        train=trainer,
        personalise=lambda tasks: pytest.fail("only the oracle may look"),
    )


def zoo(of: Context, tasks: int = 40) -> Zoo:
    """p-Models whose classifier rows are a linear function of the class's condition."""
    random = torch.Generator().manual_seed(1)
    layout = of.architecture.layout(of.classes)
    rows = torch.randn(20, WIDTH, generator=random)
    drawn = torch.rand(tasks, 20, generator=random).argsort(1)[:, : of.classes]
    vectors = torch.randn(tasks, layout.size, generator=random) * 0.01
    mapping = torch.randn(WIDTH, 6, generator=random)
    weight = layout.slices["6.weight"]
    vectors[:, weight] += (rows @ mapping)[drawn].flatten(1)
    return Zoo(vectors, drawn, rows[drawn])


def fitted(folder: Path, tokenizer: str = "class-rows", **options) -> tuple[TinaDiT, Zoo]:
    generator = tina(tokenizer, **options)
    generator.setup(context(folder))
    data = zoo(generator.context)
    torch.manual_seed(0)
    generator.fit(data)
    return generator, data


@pytest.mark.parametrize(("hidden", "millions"), [(2048, 637), (32, 152 - 151.3)])
def test_the_papers_options_give_the_papers_size(hidden: int, millions: float) -> None:
    """Section 5.1: 789 M and 152 M parameters, of which CLIP ViT-B/32 has 151.3 M."""
    generator = TinaDiT(TinaDiTOptions(hidden_size=hidden), TOKENIZERS["layer-chunks"], ())
    layout = CNN(CNNOptions()).layout(10)
    with torch.device("meta"):
        network = generator.network_for(layout, classes=10, width=512)
    size = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert size == pytest.approx(millions, abs=0.5)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_permuted_classes_give_the_same_p_model_with_permuted_rows(tmp_path, sampler) -> None:
    generator, data = fitted(tmp_path, sampler=sampler, sampling_steps=5)
    layout = generator.context.architecture.layout(4)
    plain = generator.generate(Request(data.conditions[:6], None, seed=5))
    for order in ([3, 1, 0, 2], [1, 0, 3, 2]):
        permuted = generator.generate(Request(data.conditions[:6, order], None, seed=5))
        expected = layout.take_classes(plain, torch.tensor([order]).expand(6, -1))
        torch.testing.assert_close(permuted, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(permuted, plain, atol=1e-2)


def test_layer_chunks_are_not_equivariant_by_construction(tmp_path) -> None:
    generator, data = fitted(tmp_path, "layer-chunks")
    layout = generator.context.architecture.layout(4)
    order = [3, 1, 0, 2]
    plain = generator.generate(Request(data.conditions[:6], None))
    permuted = generator.generate(Request(data.conditions[:6, order], None))
    expected = layout.take_classes(plain, torch.tensor([order]).expand(6, -1))
    assert not torch.allclose(permuted, expected, atol=1e-3)


@pytest.mark.parametrize(("tokenizer", "augment"), [("class-rows", False), ("layer-chunks", True)])
def test_it_learns_the_pairs_better_than_their_mean(tmp_path, tokenizer, augment) -> None:
    generator, data = fitted(tmp_path, tokenizer, augment=augment, steps=200)
    weight = generator.context.architecture.layout(4).slices["6.weight"]
    made = generator.generate(Request(data.conditions, None))[:, weight]
    wanted = data.vectors[:, weight]
    error = (made - wanted).square().mean() / wanted.var()
    assert error < (0.2 if tokenizer == "class-rows" else 0.9)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_saved_tina_generates_the_same(tmp_path: Path, tokenizer: str) -> None:
    generator, data = fitted(tmp_path, tokenizer)
    generator.save(tmp_path)
    again = tina(tokenizer)
    again.setup(generator.context)
    again.load(tmp_path)
    request = Request(data.conditions[:3], None)
    assert torch.equal(again.generate(request), generator.generate(request))


def test_a_p_model_depends_on_its_own_prompts_and_the_seed_alone(tmp_path: Path) -> None:
    generator, data = fitted(tmp_path, sampling_steps=3, sampler="ddpm")
    many = generator.generate(Request(data.conditions[:5], None, seed=1))
    one = generator.generate(Request(data.conditions[4:5], None, seed=1))
    torch.testing.assert_close(one[0], many[4], atol=1e-5, rtol=1e-5)
    other = generator.generate(Request(data.conditions[4:5], None, seed=2))
    assert not torch.allclose(one, other, atol=1e-4)


def test_class_rows_answer_any_number_of_classes_and_layer_chunks_say_no(tmp_path: Path) -> None:
    generator, _ = fitted(tmp_path)
    made = generator.generate(Request(torch.randn(2, 7, WIDTH), None))
    assert made.shape == (2, generator.context.architecture.layout(7).size)
    (tmp_path / "chunks").mkdir()
    generator, _ = fitted(tmp_path / "chunks", "layer-chunks")
    with pytest.raises(UserError, match=r"trained on tasks of 4 classes .* 7 were asked for"):
        generator.generate(Request(torch.randn(2, 7, WIDTH), None))


def test_options_that_do_not_fit_each_other_are_told() -> None:
    with pytest.raises(UserError, match=r"heads \(5\) must divide hidden_size \(32\)"):
        tina(heads=5)
    with pytest.raises(UserError, match=r"sampling_steps \(9\) must be at most"):
        tina(diffusion_steps=8, sampling_steps=9)

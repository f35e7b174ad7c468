"""Tina: its size, its symmetry, padding, prompts, guidance, and that it learns, saves and loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_generators.normalisation import ConditionScale
from tina_generators.options import TinaDiTOptions
from tina_generators.prompts import ImageDraws
from tina_generators.tina_dit import TinaDiT
from tina_tokenizers.options import LayerChunksOptions
from tina_tokenizers.tokenizers import LayerChunks

from tina_kit.api import FieldFacts, Request, Step, UserError

BOTH = ("class-rows", "layer-chunks")


def losses(world, generator, zoo, steps: int = 3) -> list[float]:
    """Of the first steps, without training."""
    seen: list[float] = []

    def train(network, loss, training) -> None:
        for index in range(steps):
            step = Step(index, torch.Generator().manual_seed(index))
            seen.append(float(loss(step, network).detach()))

    generator.setup(world.context(train=train))
    torch.manual_seed(0)
    generator.fit(zoo)
    return seen


@pytest.mark.parametrize(("hidden", "millions"), [(2048, 637), (32, 152 - 151.3)])
def test_the_papers_options_give_the_papers_size(hidden: int, millions: float) -> None:
    """Section 5.1: 789 M and 152 M parameters, of which CLIP ViT-B/32 has 151.3 M."""
    tokenizer = LayerChunks(LayerChunksOptions())
    generator = TinaDiT(TinaDiTOptions(hidden_size=hidden), tokenizer, ())
    layout = CNN(CNNOptions()).layout(10)
    with torch.device("meta"):
        network = generator.network_for(layout, classes=10, width=512)
    size = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert size == pytest.approx(millions, abs=0.5)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_permuted_classes_give_the_same_p_model_with_permuted_rows(world, sampler) -> None:
    generator, data = world.fitted(sampler=sampler, sampling_steps=5), world.zoo()
    layout = generator.context.architecture.layout(4)
    plain = generator.generate(Request(data.conditions[:6], None, seed=5))
    for order in ([3, 1, 0, 2], [1, 0, 3, 2]):
        permuted = generator.generate(Request(data.conditions[:6, order], None, seed=5))
        expected = layout.take_classes(plain, torch.tensor([order]).expand(6, -1))
        torch.testing.assert_close(permuted, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(permuted, plain, atol=1e-2)


def test_layer_chunks_are_not_equivariant_by_construction(world) -> None:
    generator, data = world.fitted("layer-chunks"), world.zoo()
    layout = generator.context.architecture.layout(4)
    order = [3, 1, 0, 2]
    plain = generator.generate(Request(data.conditions[:6], None))
    permuted = generator.generate(Request(data.conditions[:6, order], None))
    expected = layout.take_classes(plain, torch.tensor([order]).expand(6, -1))
    assert not torch.allclose(permuted, expected, atol=1e-3)


@pytest.mark.parametrize(("tokenizer", "augment"), [("class-rows", False), ("layer-chunks", True)])
def test_it_learns_the_pairs_better_than_their_mean(world, tokenizer, augment) -> None:
    generator = world.fitted(tokenizer, augment=augment, steps=200)
    data = world.zoo()
    made = generator.generate(Request(data.conditions, None))
    error = world.weights_error(generator, made, data.vectors)
    assert error < (0.2 if tokenizer == "class-rows" else 0.9)


@pytest.mark.parametrize("tokenizer", BOTH)
def test_a_saved_tina_generates_the_same(world, tmp_path: Path, tokenizer: str) -> None:
    generator, data = world.fitted(tokenizer), world.zoo()
    generator.save(tmp_path)
    again = world.build(tokenizer)
    again.setup(generator.context)
    again.load(tmp_path)
    request = Request(data.conditions[:3], None)
    assert torch.equal(again.generate(request), generator.generate(request))


def test_a_p_model_depends_on_its_own_prompts_and_the_seed_alone(world) -> None:
    generator, data = world.fitted(sampling_steps=3, sampler="ddpm"), world.zoo()
    many = generator.generate(Request(data.conditions[:5], None, seed=1))
    one = generator.generate(Request(data.conditions[4:5], None, seed=1))
    torch.testing.assert_close(one[0], many[4], atol=1e-5, rtol=1e-5)
    other = generator.generate(Request(data.conditions[4:5], None, seed=2))
    assert not torch.allclose(one, other, atol=1e-4)


def test_half_precision_is_for_training_alone(world) -> None:
    context = world.context(precision="bf16")
    generator = world.fitted(zoo=world.zoo(smallest=2), context=context)
    assert all(p.dtype == torch.float32 for p in generator.network.parameters())
    assert generator.generate(Request(world.zoo().conditions[:2], None)).dtype == torch.float32


# Absent classes (Section 4.2).


@pytest.mark.parametrize("classes", [1, 3, 7])
def test_class_rows_answer_any_number_of_classes(world, classes: int) -> None:
    generator = world.fitted(zoo=world.zoo(smallest=2))
    made = generator.generate(Request(torch.randn(2, classes, world.width), None))
    assert made.shape == (2, generator.context.architecture.layout(classes).size)


def test_layer_chunks_pad_smaller_tasks_and_refuse_larger_ones(world) -> None:
    generator = world.fitted("layer-chunks", zoo=world.zoo(smallest=2))
    layout = generator.context.architecture.layout
    conditions = world.zoo().conditions[:5, :3]
    made = generator.generate(Request(conditions, None))
    padded = torch.cat([conditions, world.padding.expand(5, 1, -1)], dim=1)
    tasks = torch.tensor([[4, 5, 6, -1]]).expand(5, -1)
    whole = generator.generate(Request(padded, tasks))
    expected = layout(4).take_classes(whole, torch.arange(3).expand(5, -1))
    assert torch.equal(made, expected)
    assert made.shape == (5, layout(3).size)
    with pytest.raises(UserError, match=r"7 classes were requested, .* at most 4"):
        generator.generate(Request(torch.randn(2, 7, world.width), None))


def test_absent_classes_change_nothing_of_the_others_with_class_rows(world) -> None:
    generator = world.fitted(zoo=world.zoo(smallest=2), sampler="ddpm", sampling_steps=5)
    conditions = world.zoo().conditions[:6, :3]
    alone = generator.generate(Request(conditions, None, seed=3))
    padded = torch.cat([conditions, torch.randn(6, 2, world.width)], dim=1)
    for order in ([0, 1, 2, 3, 4], [3, 0, 1, 4, 2]):
        places = torch.tensor(order)
        tasks = torch.where(places < 3, places, -1).expand(6, -1)
        made = generator.generate(Request(padded[:, order], tasks, seed=3))
        back = places.argsort()[:3].expand(6, -1)
        layout = generator.context.architecture.layout(5)
        torch.testing.assert_close(layout.take_classes(made, back), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tokenizer", BOTH)
def test_rows_of_absent_classes_have_no_part_in_training(world, tokenizer: str) -> None:
    data = world.zoo(smallest=2)
    layout = world.context().architecture.layout(4)
    absent = (data.tasks < 0)[:, layout.class_of_entries()] & (layout.class_of_entries() >= 0)
    other = replace(
        data,
        p_models=torch.where(absent, 1e3, data.vectors),
        conditions=torch.where(data.tasks[..., None] < 0, 1e3, data.conditions),
    )
    assert absent.any()
    plain = losses(world, world.build(tokenizer), data)
    assert losses(world, world.build(tokenizer), other) == plain


@pytest.mark.parametrize("row_weight", [1.0, 3.0])
@pytest.mark.parametrize("tokenizer", BOTH)
def test_the_loss_of_full_tasks_is_the_weighted_mean_over_tokens(
    world, tokenizer: str, row_weight: float
) -> None:
    """The decoders start at 0, so that the first loss can be worked out by hand."""
    generator, data = world.build(tokenizer, row_weight=row_weight), world.zoo()
    (loss,) = losses(world, generator, data, steps=1)
    layout = world.context().architecture.layout(4)
    pick = torch.randint(40, (16,), generator=torch.Generator().manual_seed(0))
    clean = generator.normalisation.normalise(data.vectors, layout)[pick]
    weights = torch.where(layout.class_of_entries() < 0, 1.0, row_weight)
    tokens = [token.entries for token in generator.tokenizer.tokens(layout)]
    errors = [(clean.square() * weights)[:, entries].mean() for entries in tokens]
    expected = sum(errors) / sum(weights[list(entries)].mean() for entries in tokens)
    assert loss == pytest.approx(float(expected), rel=1e-5)


def test_padded_tasks_are_learned(world) -> None:
    data = world.zoo(smallest=2)
    generator = world.fitted(zoo=data, steps=200)
    pairs = data.tasks[:, 2] < 0
    made = generator.generate(Request(data.conditions[pairs, :2], None))
    layout = generator.context.architecture.layout
    wanted = layout(4).take_classes(data.vectors[pairs], torch.arange(2).expand(len(made), -1))
    weight = layout(2).slices["6.weight"]
    error = (made - wanted)[:, weight].square().mean() / wanted[:, weight].var()
    assert error < 0.3


# What it is told.


def test_image_prompts_are_random_images_of_the_tasks_classes(world) -> None:
    images = world.images()
    coded = replace(images, rows=torch.stack([images.labels, torch.arange(107)], 1).float())
    data = replace(world.zoo(smallest=2), images=coded)
    draws = ImageDraws(data)
    pick = torch.arange(40).repeat(50)
    drawn = draws.draw(pick, torch.Generator().manual_seed(0))
    present = data.tasks[pick] >= 0
    assert torch.equal(drawn[present][:, 0].long(), data.tasks[pick][present])
    assert drawn[present][:, 1].unique().equal(coded.rows[:, 1].unique())
    assert torch.equal(drawn, draws.draw(pick, torch.Generator().manual_seed(0)))
    assert not torch.equal(drawn, draws.draw(pick, torch.Generator().manual_seed(1)))
    first = drawn[:2][present[:2]][:, 1]
    assert first.tolist() == [103, 53, 49, 47, 13, 38]  # stored results depend on it


def test_a_tina_of_image_prompts_learns_from_images_alone(world) -> None:
    data = world.zoo()
    images = replace(data, images=world.images(), conditions=torch.full_like(data.conditions, 7.0))
    generator = world.fitted(zoo=images, prompts="image", steps=200)
    assert generator.prompts == "image"
    pick = torch.arange(40)
    prompts = ImageDraws(images).draw(pick, torch.Generator().manual_seed(0))
    made = generator.generate(Request(prompts, None))
    assert world.weights_error(generator, made, data.vectors) < 0.3
    mean = ConditionScale.fit(images.images.rows).mean
    torch.testing.assert_close(generator.condition_scale.mean, mean)


def test_image_prompts_that_are_not_there_are_told(world) -> None:
    with pytest.raises(UserError, match="does not accept image prompts"):
        world.fitted(prompts="image")
    images = world.images()
    some = images.labels != 3
    lacking = replace(images, rows=images.rows[some], labels=images.labels[some])
    with pytest.raises(UserError, match=r"no training images of the classes \[3\]"):
        world.fitted(prompts="image", zoo=replace(world.zoo(), images=lacking))


def test_merged_prompts_tell_nothing_of_a_class(world) -> None:
    generator = world.fitted(merge="mean", zoo=world.zoo(smallest=2))
    conditions = world.zoo().conditions[:3]
    made = generator.generate(Request(conditions, None))
    swapped = generator.generate(Request(conditions[:, [1, 0, 3, 2]], None))
    torch.testing.assert_close(made, swapped, atol=1e-5, rtol=0)
    other = generator.generate(Request(world.zoo().conditions[3:6], None))
    assert not torch.allclose(made, other, atol=1e-3)


def test_only_the_first_tasks_can_be_used(world) -> None:
    data = world.zoo()
    few = replace(
        data, p_models=data.vectors[:10], tasks=data.tasks[:10], conditions=data.conditions[:10]
    )
    first = losses(world, world.build(tasks=10), data)
    assert first == losses(world, world.build(), few)
    assert first != losses(world, world.build(), data)
    with pytest.raises(UserError, match=r"tasks \(41\): the zoo has only 40"):
        world.fitted(tasks=41)


# Guidance.


def test_guidance_goes_from_the_answer_without_prompts_through_the_one_with_them(world) -> None:
    data = world.zoo()
    generator = world.fitted(drop_condition=0.3, sampling_steps=1, steps=60)
    request = Request(data.conditions[:4], None)

    def made(guidance: float) -> torch.Tensor:
        generator.options = generator.options.model_copy(update={"guidance": guidance})
        return generator.generate(request)

    blank = generator.generate(Request(world.padding.expand(4, 4, -1), None))
    torch.testing.assert_close(made(0.0), blank, atol=1e-5, rtol=0)
    # One step: the sample is the prediction itself.
    torch.testing.assert_close(made(2.5), blank + 2.5 * (made(1.0) - blank), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(made(1.0), blank, atol=1e-2)


def test_dropped_conditions_are_the_padding_prompt_for_a_part_of_the_pairs(world) -> None:
    generator = world.fitted(drop_condition=0.25, steps=1)
    clean, prompts = torch.zeros(2000, 5), torch.zeros(2000, 4, world.width)
    _, level, told = generator.corrupt(
        clean, prompts, torch.zeros_like(clean), torch.Generator().manual_seed(0)
    )
    padding = generator.condition_scale(world.padding)
    dropped = (told == padding).flatten(1).all(1)
    assert torch.equal(told[~dropped], prompts[~dropped])
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.04)
    assert 0 < float(level.min()) < float(level.max()) == 1


def test_what_fit_does_not_look_at_is_marked() -> None:
    marked = {
        name
        for name, field in TinaDiTOptions.model_fields.items()
        if FieldFacts.of(field).at_generation
    }
    assert marked == {"sampler", "sampling_steps", "guidance"}


def test_options_that_do_not_fit_each_other_are_told(world) -> None:
    with pytest.raises(ValueError, match=r"heads \(5\) must divide hidden_size \(32\)"):
        world.build(heads=5)
    with pytest.raises(ValueError, match=r"sampling_steps \(9\) must be at most"):
        world.build(diffusion_steps=8, sampling_steps=9)
    with pytest.raises(ValueError, match=r"guidance \(2\) needs .* set drop_condition"):
        world.build(guidance=2)
    with pytest.raises(ValueError, match="either inherit or inherit_file"):
        world.build(inherit="other", inherit_file="x.pt")

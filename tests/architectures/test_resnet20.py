"""ResNet-20: its classifier or named layers generated, the rest frozen."""

from __future__ import annotations

import pytest
import torch
from tina_architectures.options import RESNET20_LAYERS, ResNet20Options
from tina_architectures.resnet20 import ResNet20
from torch import Tensor, nn

from tina_kit.api import UserError
from tina_kit.plugins import discover
from tina_kit.recipe.resolve import resolve_plain
from tina_kit.zoo.assembly import assemble

CLASSIFIER = ResNet20(ResNet20Options())
LATE = ResNet20(ResNet20Options(generate=("fc", "stage3.2.conv2", "stage3.2.bn2")))
EARLY = ResNet20(ResNet20Options(generate=("stage1.2", "fc")))
EVERY = [CLASSIFIER, LATE, EARLY]
IDS = ["classifier", "late layers", "early block"]
CLASSES, GENERIC = 3, 5


def images(count: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=random)


def generic(architecture: ResNet20) -> nn.Module:
    """A generic model whose batch-norm statistics are those of some images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = architecture.build(GENERIC)
        module.train()(architecture.normalise(images(8)))
    return module.eval()


def p_models(architecture: ResNet20, module: nn.Module, count: int) -> Tensor:
    random, layout = torch.Generator().manual_seed(2), architecture.layout(GENERIC)
    rows = torch.rand(count, GENERIC, generator=random).argsort(1)[:, :CLASSES]
    vectors = layout.flatten(module.state_dict()).expand(count, -1)
    vectors = layout.take_classes(vectors, rows)
    return vectors * (1 + 0.2 * torch.randn(vectors.shape, generator=random))


def logits(architecture: ResNet20, module: nn.Module, vectors: Tensor, pixels: Tensor) -> Tensor:
    """The way of the core: inputs once, then all p-Models on the same images."""
    with torch.inference_mode():
        inputs = architecture.inputs(module, pixels)
    inputs = inputs.clone().expand(len(vectors), *inputs.shape)
    return architecture.forward_many(vectors, inputs, CLASSES, module.state_dict())


def test_ten_classes_have_272474_parameters_of_which_the_classifier_is_650() -> None:
    assert sum(p.numel() for p in CLASSIFIER.build(10).parameters()) == 272_474
    assert [(p.name, p.shape, p.class_axis) for p in CLASSIFIER.layout(10).parameters] == [
        ("fc.weight", (10, 64), 0),
        ("fc.bias", (10,), 0),
    ]


def test_the_layers_that_options_know_are_those_of_the_network() -> None:
    named = CLASSIFIER.build(2).named_parameters()
    assert tuple(dict.fromkeys(name.rpartition(".")[0] for name, _ in named)) == RESNET20_LAYERS


def test_the_features_are_64_numbers_an_image() -> None:
    module = generic(CLASSIFIER)
    features = CLASSIFIER.inputs(module, images(4))
    assert (features.shape, features.dtype) == ((4, 64), torch.float32)
    whole = module(CLASSIFIER.normalise(images(4)))
    torch.testing.assert_close(module.get_submodule("fc")(features), whole)


def test_only_what_is_small_is_computed_once() -> None:
    assert CLASSIFIER.frozen_features and LATE.frozen_features
    assert LATE.inputs(generic(LATE), images(2)).shape == (2, 64, 8, 8)
    assert not EARLY.frozen_features
    assert torch.equal(EARLY.inputs(generic(EARLY), images(2)), EARLY.normalise(images(2)))


def test_a_name_stands_for_the_layers_within_it_in_the_order_of_the_network() -> None:
    assert LATE.layers == ("stage3.2.conv2", "stage3.2.bn2", "fc")
    assert EARLY.layers == (*(f"stage1.2.{x}" for x in ("conv1", "bn1", "conv2", "bn2")), "fc")


def test_named_layers_are_generated_whole_and_the_classifier_comes_last() -> None:
    layout = LATE.layout(10)
    assert [(p.name, p.class_axis) for p in layout.parameters] == [
        ("stage3.2.conv2.weight", None),
        ("stage3.2.bn2.weight", None),
        ("stage3.2.bn2.bias", None),
        ("fc.weight", 0),
        ("fc.bias", 0),
    ]
    assert layout.size == 64 * 64 * 9 + 2 * 64 + 650


@pytest.mark.parametrize("architecture", EVERY, ids=IDS)
def test_many_at_once_give_the_logits_of_each_assembled_module(architecture: ResNet20) -> None:
    module, pixels = generic(architecture), images(4)
    vectors = p_models(architecture, module, 3)
    many = logits(architecture, module, vectors, pixels)
    for vector, mine in zip(vectors, many):
        alone = assemble(architecture, module.state_dict(), vector, CLASSES)
        torch.testing.assert_close(
            alone(architecture.normalise(pixels)), mine, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("architecture", EVERY, ids=IDS)
def test_classes_permuted_in_a_vector_are_permuted_in_its_logits(architecture: ResNet20) -> None:
    module, pixels = generic(architecture), images(4)
    vectors = p_models(architecture, module, 2)
    index = torch.tensor([[2, 0, 1], [1, 2, 0]])
    permuted = architecture.layout(CLASSES).take_classes(vectors, index)
    before = logits(architecture, module, vectors, pixels)
    after = logits(architecture, module, permuted, pixels)
    expected = before.gather(2, index[:, None].expand_as(before))
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", EVERY, ids=IDS)
def test_training_p_models_leaves_what_is_frozen_alone(architecture: ResNet20) -> None:
    module, pixels = generic(architecture), images(4)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    vectors = p_models(architecture, module, 2).requires_grad_()
    logits(architecture, module, vectors, pixels).square().sum().backward()
    assert vectors.grad is not None and bool((vectors.grad.abs().sum(1) > 0).all())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("architecture", [LATE, EARLY], ids=IDS[1:])
def test_a_p_model_depends_on_no_other_and_on_no_other_image(architecture: ResNet20) -> None:
    module, pixels = generic(architecture), images(4)
    vectors = p_models(architecture, module, 3)
    together = logits(architecture, module, vectors, pixels)
    alone = logits(architecture, module, vectors[1:2], pixels[2:3])
    torch.testing.assert_close(alone[0], together[1, 2:3], atol=1e-4, rtol=1e-4)


def test_named_layers_keep_the_generic_models_rows_out_of_the_way() -> None:
    """`frozen` holds a classifier of its own number of classes, which nothing may read."""
    module, pixels = generic(LATE), images(2)
    vectors = p_models(LATE, module, 2)
    expected = logits(LATE, module, vectors, pixels)
    with torch.no_grad():
        for name in ("fc.weight", "fc.bias", "stage3.2.conv2.weight"):
            module.get_parameter(name).fill_(torch.nan)
    assert torch.equal(logits(LATE, module, vectors, pixels), expected)


@pytest.mark.parametrize(
    ("generate", "message"),
    [
        (["stage3.2.conv3", "fc"], r"most similar to 'stage3\.2\.conv3': stage3\.2\.conv"),
        (["stage3.2.conv2"], "must include fc, whose rows are the task's classes"),
        ([], "must include fc"),
        ("classifer", "must be classifier or a list of layers"),
    ],
)
def test_layers_that_cannot_be_generated_are_refused(generate: object, message: str) -> None:
    settings = {"use": "resnet20", "generate": generate}
    with pytest.raises(UserError, match=message):
        resolve_plain(settings, "architecture", "recipe.yaml", discover())

"""The suite of architectures lets right ones pass and catches wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tina_kit.api import Architecture, Layout
from tina_kit.testing import ArchitectureSuite, SmallNetwork


class Frozen(SmallNetwork):
    """The classifier alone is generated, on features that a frozen network computes."""

    frozen_features = True

    def layout(self, classes: int) -> Layout:
        return Layout(super().layout(classes).parameters[2:], chain=True)

    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        x = module.conv1(self.normalise(images)).relu()
        return module.conv2(x).relu().mean((2, 3)) * module.scale

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        weights = self.layout(classes).unflatten(vectors)
        return inputs @ weights["fc.weight"].transpose(1, 2) + weights["fc.bias"][:, None]


class Renamed(SmallNetwork):
    def layout(self, classes: int) -> Layout:
        first, *rest = super().layout(classes).parameters
        return Layout((replace(first, name="stem.weight"), *rest))


class Axisless(SmallNetwork):
    """The bias is not said to be indexed by class."""

    def layout(self, classes: int) -> Layout:
        *rest, bias = super().layout(classes).parameters
        return Layout((*rest, replace(bias, class_axis=None)))


class TooMany(SmallNetwork):
    def build(self, classes: int) -> nn.Module:
        return super().build(classes + 1)


class Zeros(SmallNetwork):
    def build(self, classes: int) -> nn.Module:
        module = super().build(classes)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.zero_()
        return module


class Standardised(SmallNetwork):
    """By the statistics of whatever comes together, and over the wrong axes."""

    def normalise(self, images: Tensor) -> Tensor:
        rows = images.float()
        return rows - rows.mean(tuple(range(1, rows.ndim)), keepdim=True)


class Halves(SmallNetwork):
    def normalise(self, images: Tensor) -> Tensor:
        return super().normalise(images).half()


class Centred(SmallNetwork):
    def arrange(self, images: Tensor) -> Tensor:
        return images - images.mean(0)


class Undeclared(Frozen):
    frozen_features = False


class Hollow(SmallNetwork):
    frozen_features = True


class Generated(Frozen):
    """A convolution that its features run through is generated too."""

    def layout(self, classes: int) -> Layout:
        return SmallNetwork.layout(self, classes)


class Batched(Frozen):
    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        rows = super().inputs(module, images)
        return rows - rows.mean(0)


def answering(change: Callable[..., Tensor], base: type[Architecture] = SmallNetwork) -> type:
    """change: (logits, vectors, inputs) → logits."""

    class Answering(base):  # type: ignore[misc, valid-type]
        def forward_many(
            self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
        ) -> Tensor:
            logits = super().forward_many(vectors, inputs, classes, frozen)
            return change(logits, vectors, inputs)

    return Answering


class Averaging(SmallNetwork):
    """Every p-Model is the mean of all."""

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        mean = vectors.mean(0, keepdim=True).expand_as(vectors)
        return super().forward_many(mean, inputs, classes, frozen)


class Clamping(SmallNetwork):
    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        made = super().forward_many(vectors, inputs, classes, frozen)
        vectors.detach().clamp_(-0.01, 0.01)
        return made


class Weighing(SmallNetwork):
    """A frozen layer stands between two generated ones."""

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        scale = torch.arange(1.0, 1.0 + self.widths[1])
        return super().forward_many(vectors, inputs, classes, {**frozen, "scale": scale})


class Fixed(SmallNetwork):
    """The classifier's rows are in an order of their own."""

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        logits = super().forward_many(vectors, inputs, classes, frozen)
        return logits + torch.arange(classes)


def dropping(logits: Tensor, vectors: Tensor, inputs: Tensor) -> Tensor:
    return torch.dropout(logits, 0.5, train=True)


CASES: list[tuple[str, Any, str]] = [
    (
        "test_layout_names_parameters_of_the_module",
        Renamed,
        r"holds stem.weight \(4, 3, 3, 3\), and build has no such parameter",
    ),
    (
        "test_layout_grows_along_the_class_axis_alone",
        Axisless,
        r"fc.bias is \(3,\) for 3 classes and \(5,\) for 5; only its class_axis \(None\) may grow",
    ),
    (
        "test_a_chain_computes_the_same_with_neurons_in_another_order",
        Weighing,
        "`chain` must be True for plain chains of layers alone",
    ),
    ("test_the_module_gives_a_logit_for_each_class", TooMany, r"\(12, 6\); .* \(12, 5\)"),
    ("test_weights_come_from_the_global_seed_alone", Zeros, "a fresh module has fresh weights"),
    ("test_normalise_keeps_the_shape_and_gives_floats", Halves, "torch.float16 .* torch.float32"),
    ("test_normalise_keeps_the_shape_and_gives_floats", Standardised, "two leading axes are norm"),
    ("test_arrange_accepts_images_with_two_leading_axes", Centred, "axes are arranged otherwise"),
    (
        "test_frozen_features_says_whether_inputs_runs_the_network",
        Undeclared,
        "frozen_features is False but inputs is not normalise and arrange",
    ),
    (
        "test_frozen_features_says_whether_inputs_runs_the_network",
        Hollow,
        "frozen_features is True but inputs is normalise and arrange",
    ),
    (
        "test_inputs_do_not_depend_on_generated_parameters",
        Generated,
        "may depend on frozen ones alone",
    ),
    ("test_an_image_does_not_depend_on_its_batch", Batched, "inputs of an image depend on its"),
    (
        "test_an_image_does_not_depend_on_its_batch",
        answering(lambda logits, *_: logits - logits.mean(1, keepdim=True)),
        "logits of an image depend on the other images",
    ),
    (
        "test_forward_many_gives_logits_of_each_model",
        answering(lambda logits, *_: logits.transpose(0, 1)),
        r"\(4, 3, 3\); the contract says torch.float32 \(3, 4, 3\)",
    ),
    (
        "test_forward_many_equals_assembled_models_one_by_one",
        answering(lambda logits, *_: logits * 1.01),
        "both must be the same p-Models",
    ),
    ("test_a_model_does_not_depend_on_its_neighbours", Averaging, "each for itself"),
    ("test_taking_classes_takes_their_logits", Fixed, "must mark every axis"),
    (
        "test_forward_many_can_be_trained",
        answering(lambda logits, *_: logits.detach()),
        "logits without a gradient",
    ),
    (
        "test_forward_many_can_be_trained",
        answering(lambda logits, *_: logits * 0),
        "its parameters must reach its logits",
    ),
    (
        "test_arguments_and_module_stay_as_they_are",
        Clamping,
        "forward_many changes vectors in place",
    ),
    (
        "test_answering_leaves_global_randomness_alone",
        answering(dropping),
        "moves the global random state of torch",
    ),
    (
        "test_an_accelerator_gives_the_same_logits",
        answering(lambda logits, *_: torch.zeros(logits.shape)),
        "logits of p-Models on meta lie on cpu",
    ),
]


class TestARightArchitecture(ArchitectureSuite):
    side = 8

    def component(self, **_: object) -> Architecture:
        return SmallNetwork()


class TestARightArchitectureWithFrozenFeatures(ArchitectureSuite):
    side = 8

    def component(self, **_: object) -> Architecture:
        return Frozen()


@pytest.mark.parametrize(("check", "wrong", "message"), CASES)
def test_a_wrong_architecture_is_caught(
    check: str, wrong: type, message: str, caught: Callable[..., None]
) -> None:
    told = {"side": 8, "accelerator": lambda _: torch.device("meta")}
    caught(ArchitectureSuite, check, wrong, message, **told)


def test_every_check_of_architectures_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(ArchitectureSuite) == {check for check, *_ in CASES}

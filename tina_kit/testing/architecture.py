"""Conformance of p-Model architectures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tina_kit.api import Architecture, Layout
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite
from tina_kit.zoo.assembly import assemble

GENERIC, CLASSES = 5, 3  # of the generic model and of a task
MODELS, BATCH = 3, 4


class ArchitectureSuite(ComponentSuite):
    """Checks of an architecture: its p-Models side by side against the same one by one.

    side: of the images.
    """

    kind = "architecture"
    contract: ClassVar[type] = Architecture
    side: int = 32

    def read(self, component: Any) -> None:
        super().read(component)
        component.initial(CLASSES)

    # What the checks look at.

    def module(self, classes: int = GENERIC, seed: int = 0) -> nn.Module:
        """The generic model: what training starts from, in eval mode."""

        def make() -> nn.Module:
            with expect.global_seed(seed):
                module: nn.Module = self.shared.initial(classes).eval()
                return module

        return self.kept(f"module {classes} {seed}", make)

    def layout(self, classes: int = CLASSES) -> Layout:
        layout: Layout = self.shared.layout(classes)
        return layout

    def images(self, count: int = MODELS * BATCH) -> Tensor:
        random = torch.Generator().manual_seed(1)
        return torch.randint(256, (count, 3, self.side, self.side), generator=random).byte()

    def vectors(self, classes: int = CLASSES) -> Tensor:
        """`(MODELS, P)`: fresh weights, each a little different."""
        layout = self.layout(classes)
        random = torch.Generator().manual_seed(2)
        start = layout.flatten(dict(self.module(classes, 3).named_parameters())).detach()
        noise = torch.randn(MODELS, layout.size, generator=random)
        vectors: Tensor = start + 0.1 * start.std() * noise
        return vectors

    def inputs(self, module: nn.Module | None = None) -> Tensor:
        """`(MODELS, BATCH, ...)`, other images for each p-Model."""
        with torch.no_grad():
            rows: Tensor = self.shared.inputs(module or self.module(), self.images())
        return rows.view(MODELS, BATCH, *rows.shape[1:])

    def logits(self, vectors: Tensor, inputs: Tensor, classes: int = CLASSES) -> Tensor:
        frozen = self.module().state_dict()
        made: Tensor = self.shared.forward_many(vectors, inputs, classes, frozen)
        return made

    # The layout.

    def test_layout_names_parameters_of_the_module(self) -> None:
        for classes in (CLASSES, GENERIC):
            with expect.global_seed(0):
                built = dict(self.shared.build(classes).named_parameters())
            for parameter in self.layout(classes).parameters:
                found = built.get(parameter.name)
                shape = None if found is None else tuple(found.shape)
                assert shape == parameter.shape, (
                    f"layout({classes}) holds {parameter.name} {parameter.shape}, and build "
                    f"has {shape or 'no such parameter'}; names and shapes must be the same"
                )

    def test_layout_grows_along_the_class_axis_alone(self) -> None:
        few, many = self.layout(CLASSES), self.layout(GENERIC)
        names = [[p.name for p in layout.parameters] for layout in (few, many)]
        assert names[0] == names[1] and len(set(names[0])) == len(names[0]), (
            f"layouts name {names[0]} and {names[1]}; the same parameters, each once, must be "
            "generated for any number of classes"
        )
        assert few.classes == CLASSES, (
            f"layout({CLASSES}) has {few.classes} classes; class_axis must mark the axis of a "
            "parameter that is indexed by class"
        )
        for one, other in zip(few.parameters, many.parameters):
            axis = one.class_axis
            wanted = list(one.shape)
            if axis is not None:
                wanted[axis] = GENERIC
            assert list(other.shape) == wanted and axis == other.class_axis, (
                f"{one.name} is {one.shape} for {CLASSES} classes and {other.shape} for {GENERIC}; "
                f"only its class_axis ({axis}) may grow with them"
            )

    def test_a_chain_computes_the_same_with_neurons_in_another_order(self) -> None:
        layout = self.layout()
        if not layout.chain:
            pytest.skip("this layout does not say that it is a chain")
        vectors, inputs = self.vectors(), self.inputs()
        for turned in with_turned_neurons(layout, vectors):
            expect.close(
                "logits change when the hidden neurons of two layers that follow each other are "
                "turned; `chain` must be True for plain chains of layers alone",
                self.logits(turned, inputs),
                self.logits(vectors, inputs),
            )

    # The module.

    def test_the_module_gives_a_logit_for_each_class(self) -> None:
        with torch.no_grad():
            logits = self.module()(self.shared.normalise(self.images()))
        expect.tensor("the module's output", logits, torch.float32, MODELS * BATCH, GENERIC)

    def test_weights_come_from_the_global_seed_alone(self) -> None:
        states = []
        for seed in (3, 3, 4):
            with expect.global_seed(seed):
                states.append(self.component().build(CLASSES).state_dict())
        first, again, other = (
            torch.cat([t.flatten().float() for t in state.values()]) for state in states
        )
        expect.equal(
            "build gives other weights under the same torch seed; the core seeds it", first, again
        )
        assert not torch.equal(first, other), (
            "build gives the same weights under two torch seeds; a fresh module has fresh weights"
        )

    def test_normalise_keeps_the_shape_and_gives_floats(self) -> None:
        images = self.images()
        with expect.unmodified("normalise", images=images):
            rows = self.shared.normalise(images)
        expect.tensor("normalise's result", rows, torch.float32, *images.shape)
        nested = self.shared.normalise(images.unflatten(0, (MODELS, BATCH)))
        expect.tensor(
            "normalise's result of images with two leading axes",
            nested,
            torch.float32,
            MODELS,
            BATCH,
            *images.shape[1:],
        )
        expect.close(
            "images with two leading axes are normalised otherwise; `(..., 3, H, W)` is allowed",
            nested.flatten(0, 1),
            rows,
        )

    # The inputs.

    def test_arrange_accepts_images_with_two_leading_axes(self) -> None:
        images = self.shared.normalise(self.images())
        with expect.unmodified("arrange", images=images):
            rows = self.shared.arrange(images)
        nested = self.shared.arrange(images.unflatten(0, (MODELS, BATCH)))
        expect.close(
            "images with two leading axes are arranged otherwise; `(..., 3, H, W)` is allowed",
            nested.flatten(0, 1),
            rows,
        )

    def test_frozen_features_says_whether_inputs_runs_the_network(self) -> None:
        inputs = self.inputs().flatten(0, 1)
        assert inputs.dtype == torch.float32 and len(inputs) == MODELS * BATCH, (
            f"inputs gives {inputs.dtype} {tuple(inputs.shape)}; it must be float32, a row for "
            "each image"
        )
        plain = self.shared.arrange(self.shared.normalise(self.images()))
        same = inputs.shape == plain.shape and torch.equal(inputs, plain)
        declared = self.shared.frozen_features
        assert declared != same, (
            f"frozen_features is {declared} but inputs {'is' if same else 'is not'} normalise and "
            "arrange; it must be True where, and only where, inputs runs a part of the network"
        )

    def test_inputs_do_not_depend_on_generated_parameters(self) -> None:
        with expect.global_seed(0):
            module = self.shared.initial(GENERIC).eval()
        generated = {parameter.name for parameter in self.layout().parameters}
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name in generated:
                    parameter.mul_(1.5).add_(0.1)
        expect.close(
            "inputs changes with generated parameters; they are computed once with the generic "
            "model's, so they may depend on frozen ones alone",
            self.inputs(module),
            self.inputs(),
        )

    def test_an_image_does_not_depend_on_its_batch(self) -> None:
        with torch.no_grad():
            component = self.shared.inputs(self.module(), self.images()[2:4])
        expect.close(
            "inputs of an image depend on its batch; they are computed in batches of any size",
            component,
            self.inputs().flatten(0, 1)[2:4],
        )
        vectors, inputs = self.vectors(), self.inputs()
        expect.close(
            "logits of an image depend on the other images of the batch; each is answered alone",
            self.logits(vectors, inputs[:, 1:2]),
            self.logits(vectors, inputs)[:, 1:2],
        )

    # Many p-Models at once.

    def test_forward_many_gives_logits_of_each_model(self) -> None:
        logits = self.logits(self.vectors(), self.inputs())
        expect.tensor("forward_many's result", logits, torch.float32, MODELS, BATCH, CLASSES)

    def test_forward_many_equals_assembled_models_one_by_one(self) -> None:
        vectors, images = self.vectors(), self.images().unflatten(0, (MODELS, BATCH))
        state = self.module().state_dict()
        with torch.no_grad():
            single = [
                assemble(self.shared, state, vector, CLASSES)(self.shared.normalise(pixels))
                for vector, pixels in zip(vectors, images)
            ]
        expect.close(
            "forward_many gives other logits than the modules with the same parameters, one by "
            "one; both must be the same p-Models",
            self.logits(vectors, self.inputs()),
            torch.stack(single),
        )

    def test_a_model_does_not_depend_on_its_neighbours(self) -> None:
        vectors, inputs = self.vectors(), self.inputs()
        among = self.logits(vectors, inputs)
        vectors[0] = torch.nan
        expect.close(
            "a p-Model's logits change with another's parameters; models run side by side, each "
            "for itself",
            self.logits(vectors, inputs)[1:],
            among[1:],
        )
        expect.close(
            "a p-Model's logits are others when it runs alone; any number runs at once",
            self.logits(self.vectors()[1:2], inputs[1:2]),
            among[1:2],
        )

    def test_taking_classes_takes_their_logits(self) -> None:
        vectors, inputs = self.vectors(GENERIC), self.inputs()
        whole = self.logits(vectors, inputs, GENERIC)
        index = torch.tensor([3, 0, 4])
        rows = self.layout(GENERIC).take_classes(vectors, index.expand(MODELS, -1))
        expect.close(
            "logits of taken classifier rows are not those of their classes; class_axis must mark "
            "every axis that is indexed by class",
            self.logits(rows, inputs),
            whole[..., index],
        )

    def test_forward_many_can_be_trained(self) -> None:
        vectors = self.vectors().requires_grad_()
        logits = self.logits(vectors, self.inputs())
        assert logits.requires_grad, (
            "forward_many gives logits without a gradient; p-Models are fine-tuned through it"
        )
        logits.square().sum().backward()
        reached = vectors.grad is not None and bool((vectors.grad != 0).any(1).all())
        assert reached, (
            "the gradient of a p-Model's logits is 0; its parameters must reach its logits"
        )

    def test_arguments_and_module_stay_as_they_are(self) -> None:
        vectors, inputs, images = self.vectors(), self.inputs(), self.images()
        state = self.module().state_dict()
        weights = {f"the module's {name}": tensor for name, tensor in state.items()}
        with expect.unmodified("inputs", images=images, **weights), torch.no_grad():
            self.shared.inputs(self.module(), images)
        with expect.unmodified("forward_many", vectors=vectors, inputs=inputs, **weights):
            self.shared.forward_many(vectors, inputs, CLASSES, state)

    def test_answering_leaves_global_randomness_alone(self) -> None:
        vectors, inputs = self.vectors(), self.inputs()
        self.module()
        with expect.undisturbed("layout, inputs or forward_many"):
            self.layout()
            self.inputs()
            self.logits(vectors, inputs)

    def test_an_accelerator_gives_the_same_logits(self) -> None:
        device = self.accelerator()
        vectors, inputs = self.vectors(), self.inputs()
        frozen = {name: t.to(device) for name, t in self.module().state_dict().items()}
        made = self.shared.forward_many(vectors.to(device), inputs.to(device), CLASSES, frozen)
        assert made.device.type == device.type, (
            f"logits of p-Models on {device.type} lie on {made.device}; they must stay there"
        )
        expect.close(
            f"logits on {device.type} differ from those on the CPU; they must be the same",
            made.cpu(),
            self.logits(vectors, inputs),
            rtol=1e-2,
            atol=1e-2,
        )


def with_turned_neurons(layout: Layout, vectors: Tensor) -> Iterator[Tensor]:
    """The vectors with the hidden neurons of one layer after the other in reverse order: a layer's
    outputs, what has one axis and follows it, and the next layer's inputs."""
    layers = [p for p in layout.parameters if len(p.shape) > 1]
    for one, next_ in pairwise(layers):
        between = layout.parameters[
            layout.parameters.index(one) + 1 : layout.parameters.index(next_)
        ]
        tensors = layout.unflatten(vectors)
        for parameter in (one, *between):
            tensors[parameter.name] = tensors[parameter.name].flip(1)
        tensors[next_.name] = tensors[next_.name].flip(2)
        yield layout.flatten(tensors)

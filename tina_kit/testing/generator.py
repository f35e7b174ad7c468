"""Conformance of generators."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn, get_args

import pytest
import torch
from torch import Tensor, nn

from tina_kit.api import Context, Generator, Request, Step, Training, Zoo
from tina_kit.api.generator import LearnsFrom
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite
from tina_kit.testing.world import CLASSES, TASK, Interrupted, World, killed
from tina_kit.training.sharing import SharedStep, can_be_shared

Loss = Callable[[Step, nn.Module], Tensor]
TASKS = 6  # asked for at once
SIZES = (TASK - 1, TASK + 1)  # other numbers of classes


class GeneratorSuite(ComponentSuite):
    """Checks of a generator in a small world (`World`), where it is fitted a few times: let `use`
    make it small and its steps few.

    draws_noise: whether another seed of a request gives other p-Models.
    """

    kind = "generator"
    contract: ClassVar[type] = Generator
    draws_noise: bool = False

    # What the checks look at.

    def context(self, world: World, **options: Any) -> Context:
        """What the generator may know; override it for a generator that inherits. options: of
        `World.context`."""
        return world.context(**options)

    @property
    def world(self) -> World:
        return self.kept("world", lambda: World(self.folder()))

    def zoo(self) -> Zoo:
        """ID tasks of three or four classes; with images where it learns from them."""
        component, zoo = self.component(), self.world.zoo(smallest=TASK - 1)
        p_models = zoo.vectors if "p-models" in component.learns_from else None
        images = self.world.images() if component.prompts == "image" else None
        return Zoo(zoo.tasks, zoo.conditions, p_models, images)

    def fit(self, **options: Any) -> Generator:
        """A fresh generator that has learned, where it learns."""
        generator: Generator = self.component()
        if "images" not in generator.learns_from:
            options = {"learning": _NoLearning(), **options}
        generator.setup(self.context(self.world, **options))
        if generator.learns:
            with expect.global_seed(0):
                generator.fit(self.zoo())
        return generator

    def saved(self) -> Path:
        folder = self.folder()
        self.kept("fitted", self.fit).save(folder)
        return folder

    def ready(self, device: torch.device | None = None) -> Generator:
        """A fresh generator as it generates: loaded, and without the means to learn."""
        generator: Generator = self.component()
        context = self.context(
            self.world, device=device, train=_not_now, learning=_NoLearning(), run="later"
        )
        generator.setup(context)
        if generator.learns:
            generator.load(self.kept("saved", self.saved))
        return generator

    @property
    def shared(self) -> Generator:
        return self.kept("ready", self.ready)

    def request(self, seed: int = 0) -> Request:
        """OOD tasks, the last of three classes and -1; ID tasks where it knows only those."""
        tasks = self.world.zoo(smallest=TASK - 1).tasks[:TASKS]
        if not self.component().id_only:
            tasks = self.world.tasks(TASKS, seed=9)
            tasks[-1, -1] = -1
        return Request(self.world.conditions(tasks), tasks, seed)

    def made(self, request: Request | None = None) -> Tensor:
        return self.shared.generate(request or self.request())

    # What it says of itself.

    def test_flags_are_plain(self) -> None:
        component = self.component()
        known = set(get_args(LearnsFrom))
        assert set(component.learns_from) <= known, (
            f"learns_from is {set(component.learns_from)}; it may hold {', '.join(sorted(known))}"
        )
        for flag in ("reads_conditions", "personalises", "id_only"):
            value = getattr(component, flag)
            assert type(value) is bool, f"{flag} is {value!r}; it must be True or False"
        assert component.prompts in ("text", "image"), (
            f"prompts is {component.prompts!r}; it must be 'text' or 'image'"
        )

    def test_reads_conditions_says_whether_prompts_matter(self) -> None:
        request = self.request()
        random = torch.Generator().manual_seed(1)
        strange = torch.randn(request.conditions.shape, generator=random)
        other = self.made(Request(strange, request.tasks, request.seed))
        same = torch.equal(other, self.made())
        declared = self.shared.reads_conditions
        assert declared != same, (
            f"reads_conditions is {declared} but other prompts for the same classes give "
            f"{'the same' if same else 'other'} p-Models; the controls are run by it"
        )

    def test_only_a_control_looks_at_p_models(self) -> None:
        before = self.world.looks
        self.made()
        looked = self.world.looks > before
        assert looked == self.shared.personalises, (
            f"personalises is {self.shared.personalises} but it "
            f"{'calls' if looked else 'does not call'} context.personalise; only a control that "
            "says so may look at the p-Models it is asked for"
        )

    # What it generates.

    def test_a_task_gets_a_parameter_vector(self) -> None:
        made = self.made()
        self._check_vectors(made, TASKS, TASK)
        assert made.device.type == "cpu" and not made.requires_grad, (
            f"p-Models lie on {made.device} or carry a gradient; they must be plain, on the CPU"
        )

    def test_vectors_hold_numbers(self) -> None:
        made = self.made()
        assert not (made.isnan() | (made == torch.inf)).any(), (
            "a p-Model holds nan or +inf; entries must be finite (-inf alone, for a bias, says "
            "that there is no row for a class)"
        )

    def test_the_same_request_gives_the_same(self) -> None:
        request, made = self.request(), self.made()
        message = (
            "the same request gives other p-Models%s; they depend on prompts and the request's "
            "seed alone"
        )
        with expect.global_seed(1):
            again = self.made()
        expect.equal(message % "", made, again)
        with expect.global_seed(2):
            fresh = self.ready().generate(request)
        expect.close(message % " of an equal generator", made, fresh)

    def test_another_seed_gives_others(self) -> None:
        if not self.draws_noise:
            pytest.skip("draws_noise is False")
        assert not torch.equal(self.made(self.request(0)), self.made(self.request(1))), (
            "two seeds give the same p-Models; with draws_noise, noise must come from the "
            "request's seed"
        )

    def test_a_p_model_does_not_depend_on_the_others(self) -> None:
        request, made = self.request(), self.made()
        assert request.tasks is not None
        message = "a task's p-Model is another %s; it depends on its own prompts and the seed alone"
        one = Request(request.conditions[2:3], request.tasks[2:3], request.seed)
        alone, own = self._own_rows(self.made(one)), self._own_rows(made)
        expect.close(message % "when it is asked for alone", alone, own[2:3])
        turned = Request(request.conditions.flip(0), request.tasks.flip(0), request.seed)
        turned_rows = self._own_rows(self.made(turned)).flip(0)
        expect.close(message % "among tasks in another order", turned_rows, own)

    def test_other_numbers_of_classes_are_made_or_told(self) -> None:
        for classes in SIZES:
            tasks = self.world.tasks(TASKS, classes, classes, seed=9)
            request = Request(self.world.conditions(tasks), tasks)
            with expect.done_or_told(f"tasks of {classes} classes after learning from {TASK}"):
                self._check_vectors(self.made(request), TASKS, classes)

    def test_prompts_of_no_known_class_are_made_or_told(self) -> None:
        request = Request(self.request().conditions, None)
        with expect.done_or_told("prompts that are not classes of the data set (tasks is None)"):
            self._check_vectors(self.made(request), TASKS, TASK)

    def test_a_request_stays_as_it_is(self) -> None:
        request = self.request()
        assert request.tasks is not None
        with expect.unmodified("generate", conditions=request.conditions, tasks=request.tasks):
            self.made(request)

    def test_generating_leaves_global_randomness_alone(self) -> None:
        generator, request = self.ready(), self.request()
        with expect.undisturbed("generate"):
            generator.generate(request)

    # What it learns.

    def test_the_loss_calls_the_module_that_it_is_given(self) -> None:
        """It may be a wrapped form of the generator's own: compiled, or data-parallel."""
        self._needs_learning()
        world = self.world
        calls: list[int] = []

        class Wrapped(nn.Module):
            def __init__(self, module: nn.Module) -> None:
                super().__init__()
                self.module = module

            def forward(self, *inputs: Any, **named: Any) -> Any:
                calls.append(1)
                return self.module(*inputs, **named)

        plain = world.context().train
        trainings: list[int] = []

        def train(module: nn.Module, loss: Loss, training: Training) -> None:
            wrapped = Wrapped(module)
            trainings.append(1)
            plain(module, lambda step, _: loss(step, wrapped), replace(training, steps=1))

        self.fit(train=train)
        assert len(calls) >= len(trainings), (
            "the loss does not call the module that the training loop gives it; call its second "
            "argument in place of the generator's own module"
        )

    def test_the_losses_of_shares_make_that_of_the_batch(self) -> None:
        """Of a distributed run, where each rank computes the loss of its share."""
        self._needs_learning()
        plain = self.world.context().train

        def train(module: nn.Module, loss: Loss, training: Training) -> None:
            def compared(step: Step, module: nn.Module) -> Tensor:
                start = step.random.get_state()

                def part(rank: int, ranks: int) -> tuple[Tensor, bool]:
                    step.random.set_state(start)
                    own = SharedStep(step.index, step.random, rank, ranks)
                    value = loss(own, module)
                    return value.detach() * own.weight, bool(own.taken)

                parts = [part(rank, 3) for rank in range(3)]
                whole, shared = part(0, 1)
                if shared and can_be_shared(module):
                    expect.close(
                        "the mean of three ranks' losses, weighted by their shares, is not the "
                        "loss of the batch; draw the whole batch on every rank, take step.share "
                        "of all of it, and return the mean over the share",
                        torch.stack([value for value, _ in parts]).sum(),
                        whole,
                        rtol=1e-3,
                        atol=1e-6,
                    )
                step.random.set_state(start)
                return loss(step, module)

            plain(module, compared, replace(training, steps=1))

        self.fit(train=train)

    def test_a_zoo_stays_as_it_is(self) -> None:
        self._needs_learning()
        zoo = self.zoo()
        generator: Generator = self.component()
        generator.setup(self.context(self.world))
        given = {"tasks": zoo.tasks, "conditions": zoo.conditions}
        given |= {"the generic model": generator.context.generic}
        if zoo.p_models is not None:
            given["vectors"] = zoo.p_models
        with expect.unmodified("fit", **given), expect.global_seed(0):
            generator.fit(zoo)

    def test_what_it_saves_is_read_without_running_code(self) -> None:
        self._needs_learning()
        expect.plain_files("save", self.kept("saved", self.saved))

    def test_a_loaded_generator_generates_as_the_fitted_one(self) -> None:
        self._needs_learning()
        fitted = self.kept("fitted", self.fit)
        expect.close(
            "a generator that was saved and loaded gives other p-Models; load is save's inverse",
            self.ready().generate(self.request()),
            fitted.generate(self.request()),
            rtol=1e-5,
            atol=1e-6,
        )

    def test_a_fit_that_was_killed_ends_the_same(self) -> None:
        self._needs_learning()
        killing: Generator = self.component()
        context = self.context(self.world, run="killed")
        killing.setup(self.context(self.world, run="killed", train=killed(context.train)))
        with expect.global_seed(0), suppress(Interrupted):
            killing.fit(self.zoo())
        expect.close(
            "a fit that was killed and started again ends with other p-Models than an undisturbed "
            "one; draws must come from the step's generator or, within fit, torch's seed, and all "
            "that is learned must be in the module that context.train is given",
            self.fit(run="killed").generate(self.request()),
            self.kept("fitted", self.fit).generate(self.request()),
        )

    def test_an_accelerator_gives_the_same_p_models(self) -> None:
        device = self.accelerator()
        made = self.ready(device).generate(self.request())
        assert made.device.type == "cpu", (
            f"p-Models made on {device.type} lie on {made.device}; they must come back to the CPU"
        )
        expect.close(
            f"p-Models made on {device.type} differ from the CPU's; they must be the same",
            made,
            self.made(),
            rtol=1e-2,
            atol=1e-2,
        )

    def _check_vectors(self, made: Any, tasks: int, classes: int) -> None:
        expect.tensor("generate's result", made, torch.float32, tasks, None)
        self._rows_of(made, classes)

    def _own_rows(self, made: Tensor) -> Tensor:
        """Without the rows of other classes, whose number may depend on the request."""
        layout = self.world.architecture.layout(self._rows_of(made, TASK))
        return layout.take_classes(made, torch.arange(TASK).expand(len(made), -1))

    def _rows_of(self, made: Tensor, classes: int) -> int:
        """How many classes the p-Models have rows for."""
        layout = self.world.architecture.layout
        sizes = {layout(n).size: n for n in range(classes, CLASSES + classes + 1)}
        rows = sizes.get(made.shape[1])
        assert rows is not None, (
            f"generate gives vectors of {made.shape[1]} entries; layouts of {classes} classes and "
            f"more have {', '.join(map(str, list(sizes)[:3]))}, ..."
        )
        return rows

    def _needs_learning(self) -> None:
        if not self.component().learns:
            pytest.skip("this generator does not learn")


def _not_now(*_: object) -> NoReturn:
    raise AssertionError("generate trains; context.train is for `fit` alone")


class _NoLearning:
    sample: ClassVar[Callable[..., NoReturn]] = staticmethod(
        lambda *_: _fail("generate reads training images; context.learning is for `fit` alone")
    )
    loss = finetune = train_generic = sample
    zoo_epochs = property(sample)


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)

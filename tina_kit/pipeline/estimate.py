"""Estimates how long a recipe takes on this machine, from the first steps of its stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from tina_kit.api import Step, Training
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage, in_order
from tina_kit.pipeline.stages.images import ImagesStage
from tina_kit.pipeline.stages.zoo import ShardStage
from tina_kit.recipe import vary
from tina_kit.recipe.node import Where
from tina_kit.store import Draft, Store
from tina_kit.training import ALONE, Ranks, Trainer

ENOUGH = 1.0  # seconds of training to measure
LEAST = 3  # minimum number of steps to measure
OOD, ID = 16, 8  # numbers of tasks whose evaluation is measured
_ORDER = ("conditioner", "conditions", "generic", "features", "zoo", "fit", "evaluate", "rejection")


@dataclass(frozen=True)
class Cost:
    """The time of a stage, or of all of a kind. detail: what it consists of, like "800 steps of
    12 ms"."""

    name: str
    seconds: float
    detail: str = ""


def estimate(plan: Plan) -> list[Cost]:
    """The time of each stage of a run of `plan`, in order, without its studies.

    Images are read, or taken from the store, and kept there. All else is measured on a few tasks
    and training steps, whose results are thrown away.
    """
    first = plan.experiments[0]
    seconds = first.images.ensure()
    costs = [Cost("images", seconds or 0.0, "already read" if seconds is None else "")]
    with TemporaryDirectory(prefix="tina-kit-") as scratch:
        measured = _measured(first, Path(scratch))
    goals: list[Stage] = []
    for experiment in plan.experiments:
        goals.append(experiment.conditions.text)
        for named in plan.recipe.generators:
            goals += experiment.measurements(named)
    stages = [stage for stage in in_order(goals) if not isinstance(stage, ImagesStage)]
    stages.sort(key=lambda stage: _ORDER.index(stage.kind))
    for row in dict.fromkeys(map(_row_of, stages)):
        costs.append(_cost(row, [stage for stage in stages if _row_of(stage) == row], measured))
    return costs


def _cost(row: str, stages: Sequence[Stage], measured: Mapping[str, _Measurement]) -> Cost:
    parts = [(stage.units, measured[_name(stage)]) for stage in stages]
    units, seconds = sum(count for count, _ in parts), sum(n * each.seconds for n, each in parts)
    kind = stages[0].kind
    if kind == "zoo":
        detail = f"{units:,} p-Models of {spelled(parts[0][1].seconds)}"
    elif kind in ("evaluate", "rejection"):
        detail = f"{units:,} p-Models"
    else:
        trainings = [training for _, each in parts for training in each.trainings]
        longest = max(trainings, key=lambda each: each.steps * each.seconds, default=None)
        detail = f"{longest.steps:,} steps of {spelled(longest.seconds)}" if longest else ""
    return Cost(row, seconds, detail)


@dataclass(frozen=True)
class _Measurement:
    """seconds: of one of a stage's `units`."""

    seconds: float
    trainings: Sequence[_Sample]


def _measured(experiment: Experiment, scratch: Path) -> dict[str, _Measurement]:
    recipe, options = experiment.recipe, experiment.recipe.core
    few = {
        "tasks.id": min(len(experiment.tasks["id"]), options.finetune.shard),
        "tasks.ood": min(len(experiment.tasks["ood"]), OOD),
        "evaluation.id_tasks": min(options.evaluation.id_tasks, ID),
    }
    small = vary(recipe, few, Where("an estimate", 0, 0, recipe.path.parent))
    runtime = _SamplingRuntime.of(Store(scratch), experiment.runtime.device, options.precision)
    assert isinstance(runtime, _SamplingRuntime)
    sample = Experiment(small, experiment.seed, runtime, experiment.classes)
    sample.images = experiment.images
    goals: list[Stage] = [sample.conditions.text]
    for row in small.generators:
        goals += sample.measurements(row)
    found: dict[str, _Measurement] = {}
    for stage in in_order(goals):
        seconds = stage.ensure()
        trainings, missing = tuple(runtime.samples), sum(each.missing for each in runtime.samples)
        runtime.samples.clear()
        # Of several shards the first is as large as most of the run's.
        if seconds is not None and _name(stage) not in found:
            found[_name(stage)] = _Measurement((seconds + missing) / stage.units, trainings)
    return found


def _name(stage: Stage) -> str:
    """The key by which stages with the same cost per unit are grouped."""
    return "zoo" if isinstance(stage, ShardStage) else stage.name


def _row_of(stage: Stage) -> str:
    """What stages go by that share a row of the estimate."""
    return stage.kind if stage.kind in ("zoo", "evaluate", "rejection") else stage.name


@dataclass(frozen=True)
class _Sample:
    """Of a training of so many steps some were done; seconds: of one step."""

    steps: int
    done: int
    seconds: float

    @property
    def missing(self) -> float:
        return (self.steps - self.done) * self.seconds


@dataclass(frozen=True)
class _SamplingRuntime(Runtime):
    """Stops every training after a few steps."""

    samples: list[_Sample] = field(default_factory=list)

    def trainer(
        self, label: str, draft: Draft, stream: str, seed: int, ranks: Ranks = ALONE
    ) -> Trainer:
        return _Sampler(**vars(super().trainer(label, draft, stream, seed)), samples=self.samples)


class _Enough(Exception):
    """Raised when enough steps have been measured."""


@dataclass
class _Sampler(Trainer):
    samples: list[_Sample] = field(default_factory=list)

    def __call__(
        self, module: nn.Module, loss: Callable[[Step, nn.Module], Tensor], training: Training
    ) -> None:
        times: list[float] = []

        def timed(step: Step, module: nn.Module) -> Tensor:
            times.append(self._now())
            # The first step allocates memory that the others reuse.
            if len(times) > LEAST + 1 and times[-1] - times[1] >= ENOUGH:
                raise _Enough
            return loss(step, module)

        try:
            super().__call__(module, timed, replace(training, checkpoint_every=training.steps))
            times.append(self._now())
        except _Enough:
            module.eval()
        done = len(times) - 1
        start = min(1, done - 1)
        each = (times[-1] - times[start]) / (done - start)
        self.samples.append(_Sample(training.steps, done, each))

    def _now(self) -> float:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return time.perf_counter()


def spelled(seconds: float) -> str:
    """A duration in words, with the precision of an estimate."""
    if seconds < 5e-4:
        return "0 s"
    value, unit = seconds / 3600, "h"
    for limit, size, name in ((0.9995, 1e-3, "ms"), (99.5, 1.0, "s"), (5970.0, 60.0, "min")):
        if seconds < limit:
            value, unit = seconds / size, name
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def total(costs: Sequence[Cost]) -> str:
    return spelled(sum(cost.seconds for cost in costs))


def table(costs: Sequence[Cost]) -> list[str]:
    """One line per cost."""
    names = max(len(cost.name) for cost in costs)
    times = max(len(spelled(cost.seconds)) for cost in costs)
    return [
        f"{cost.name.ljust(names)}  {spelled(cost.seconds).rjust(times)}  {cost.detail}".rstrip()
        for cost in costs
    ]

"""A study's trials as stages, over all seeds, and what they measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from tina_kit.api import Study, Trial, UserError
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.samples import SamplesStage, Way, name_of
from tina_kit.pipeline.stages.conditions import Conditions
from tina_kit.pipeline.stages.evaluate import MeasuringStage, StudyStage
from tina_kit.pipeline.stages.fit import FitStage
from tina_kit.plugins.registry import nearest
from tina_kit.recipe import NamedComponent, vary
from tina_kit.report.results import CONTROLS, Counted, Counts

TESTS = ("id", "ood", *CONTROLS)  # in a generator's own evaluation


@dataclass(frozen=True)
class Measured:
    """A trial and, for each seed, its counted answers or its losses.

    losses: (step, mean loss since the point before) for each seed.
    """

    trial: Trial
    counts: Sequence[Counted] = ()
    losses: Sequence[Sequence[tuple[int, float]]] = ()


class StudyRun:
    """A study of a recipe, on the experiments of all seeds."""

    def __init__(self, named: NamedComponent, experiments: Sequence[Experiment]) -> None:
        self.named = named
        self.experiments = experiments
        self._variants: dict[tuple[int, str], Experiment] = {}

    @cached_property
    def study(self) -> Study:
        study: Study = self.named.component.build()
        return study

    @cached_property
    def trials(self) -> Sequence[Trial]:
        study = self.study  # (an error here already names its location)
        rows = [row.name for row in self.experiments[0].recipe.generators]
        try:
            return tuple(study.trials(rows))
        except UserError as error:
            raise self._error(str(error)) from error

    @cached_property
    def stages(self) -> list[list[FitStage | MeasuringStage]]:
        """For each trial, its stage for each seed."""
        return [[self._stage(e, trial) for e in self.experiments] for trial in self.trials]

    @cached_property
    def prompts(self) -> list[tuple[str, Conditions, Conditions]]:
        """For each conditioner of the study's own: its option, its conditions, and the recipe's."""
        return [
            (trial.conditioner, experiment.conditions_by(child), experiment.conditions)
            for trial in self.trials
            if trial.conditioner is not None
            for child in [self.named.component.child(trial.conditioner)]
            for experiment in (self._variant(base, trial) for base in self.experiments)
        ]

    def check_prompts(self) -> None:
        """Raises UserError if the study's own prompts, which are embedded by now, have another
        width than those that its generators learn from."""
        for option, theirs, ours in self.prompts:
            widths = [conditions.rows.shape[1] for conditions in (theirs, ours)]
            if widths[0] != widths[1]:
                raise self._error(
                    f"{option} gives vectors of {widths[0]} numbers, the recipe's conditioner of "
                    f"{widths[1]}; the same model must embed both"
                )

    def measured(self) -> list[Measured]:
        results = []
        for trial, stages in zip(self.trials, self.stages):
            losses = [stage.losses()[-1] for stage in stages if isinstance(stage, FitStage)]
            found: list[Counts] = [
                stage.read() for stage in stages if isinstance(stage, MeasuringStage)
            ]
            if losses:
                results.append(Measured(trial, losses=losses))
            # A method that needs a task's own data has no answer for OOD tasks.
            elif all(_test_of(trial) in counts for counts in found):
                counts = [counts[_test_of(trial)] for counts in found]
                results.append(Measured(trial, counts=counts))
        return results

    def _stage(self, base: Experiment, trial: Trial) -> FitStage | MeasuringStage:
        experiment = self._variant(base, trial)
        named = self._row(experiment, trial)
        if trial.measure == "loss":
            stage = experiment.row(named).stage
            if stage is None:
                raise self._error(f"'{named.name}' learns nothing and has no losses")
            return stage
        plain = trial.classes is None and trial.prompts == "text" and trial.conditioner is None
        plain = plain and trial.samples == 1
        if plain and trial.split in TESTS and (not trial.overrides or self._asks_for_more(trial)):
            return experiment.evaluation(named)
        return self._special(experiment, named, trial)

    def _special(self, experiment: Experiment, named: NamedComponent, trial: Trial) -> StudyStage:
        """A test that is not in the main table."""
        if trial.split not in experiment.tasks:
            hint = nearest(trial.split, list(experiment.tasks))
            raise self._error(f"the task sampler draws no split '{trial.split}'; {hint}")
        if trial.images < 1 or (trial.images != 1 and trial.prompts != "image"):
            raise self._error(
                f"a trial of '{trial.generator}' asks for {trial.images} images with "
                f"{trial.prompts} prompts; give one or more, with image prompts"
            )
        if trial.samples < 1 or trial.shots < 0:
            raise self._error(
                f"a trial of '{trial.generator}' asks for {trial.samples} samples and "
                f"{trial.shots} shots; give one or more samples, and no shots or more"
            )
        tasks = experiment.tasks[trial.split]
        if trial.classes is not None:
            tasks = experiment.tasks_of(trial.classes)
        conditions = experiment.conditions
        if trial.conditioner is not None:
            conditions = experiment.conditions_by(self.named.component.child(trial.conditioner))
        several = trial.samples > 1
        label = f"{self.named.name} {trial.x}" if not several else self.named.name
        make = partial(SamplesStage, ways=self._ways(trial)) if several else StudyStage
        return make(
            experiment.runtime,
            f"evaluate/{named.name} {label}",
            experiment.row(named),
            experiment.recipe.core.evaluation,
            split=trial.split,
            tasks=tasks,
            conditions=conditions,
            images=trial.images if trial.prompts == "image" else None,
            shards=experiment.zoo.shards(tasks, label),
        )

    def _ways(self, trial: Trial) -> list[Way]:
        """How the trials on the same p-Models use several of them, so that these are generated
        once."""

        def source(trial: Trial) -> Trial:
            return replace(trial, series="", x="", samples=1, shots=0)

        same = [other for other in self.trials if source(other) == source(trial)]
        return sorted({(other.samples, other.shots) for other in same if other.samples > 1})

    def _asks_for_more(self, trial: Trial) -> bool:
        """Whether several tests of one variant's generator are wanted, or its controls, so that its
        whole evaluation is worth running."""
        same = [
            other
            for other in self.trials
            if (other.generator, other.overrides) == (trial.generator, trial.overrides)
        ]
        return len(same) > 1 or trial.split in CONTROLS

    def _error(self, message: str) -> UserError:
        return UserError(f"{self.named.component.where}: studies.{self.named.name}: {message}")

    def _variant(self, base: Experiment, trial: Trial) -> Experiment:
        if not trial.overrides:
            return base
        key = (base.seed, json.dumps(dict(trial.overrides), sort_keys=True))
        if key not in self._variants:
            recipe = vary(base.recipe, trial.overrides, self.named.component.where)
            if recipe.core.evaluation != base.recipe.core.evaluation:
                raise self._error("'evaluation' belongs to the whole run and cannot vary in it")
            runtime = base.runtime.for_variant(variant_name(trial)).for_precision(
                recipe.core.precision
            )
            self._variants[key] = Experiment(recipe, base.seed, runtime)
        return self._variants[key]

    def _row(self, experiment: Experiment, trial: Trial) -> NamedComponent:
        rows = {row.name: row for row in experiment.recipe.generators}
        if trial.generator not in rows:
            hint = nearest(trial.generator, list(rows))
            raise self._error(f"the recipe has no generator '{trial.generator}'; {hint}")
        return rows[trial.generator]


def _test_of(trial: Trial) -> str:
    """The name of its test in the stage that measures it."""
    return trial.split if trial.samples == 1 else name_of((trial.samples, trial.shots))


def variant_name(trial: Trial) -> str:
    """What a trial changes, for the names of its stages: `ResNet-20`, or `hidden_size=512`."""
    if trial.variant:
        return trial.variant
    values = trial.overrides.items()
    return ", ".join(f"{key.rpartition('.')[2]}={_text(value)}" for key, value in values)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)

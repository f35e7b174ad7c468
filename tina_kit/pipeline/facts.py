"""Gathers what diagnosis and report know of a run from its stages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch

from tina_kit.api import TinaKitError, UserError
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.fit import FitStage, GeneratorRow
from tina_kit.pipeline.stages.generic import GenericStage
from tina_kit.report.crossed import over_classes
from tina_kit.report.facts import Curve, Facts, ZooFacts
from tina_kit.report.results import SELECTION
from tina_kit.zoo.evaluation import rows_of

_LOG = logging.getLogger(__name__)
_Found = TypeVar("_Found")
_LOOKED_AT = 50  # p-Models of an imported zoo


def facts_of(
    experiments: Sequence[Experiment],
    rows: Sequence[dict[str, Any]],
    evaluations: Mapping[str, Any],
    profile: str | None,
) -> Facts:
    """experiments: one for each seed; rows: of `results.json`; evaluations: the content of
    `evaluations.json`; profile: that the recipe was run with. What the store no longer holds is
    left out."""
    experiment = experiments[0]
    recipe = experiment.recipe
    bare = {row.name: row.component.entry.component.name for row in recipe.generators}
    selection = next((name for name, known in bare.items() if known == SELECTION), None)
    text = experiment.conditions.text
    return Facts(
        rows=rows,
        evaluations=evaluations,
        average=recipe.core.evaluation.average,
        over_classes=over_classes(evaluations, recipe.core.evaluation.average, selection),
        recipe=recipe.plain(),
        bare=bare,
        readers=[row.name for row in map(experiment.row, recipe.generators) if _reads_text(row)],
        classes=experiment.class_names,
        conditions=stored(text, lambda: text.read("classes").float().numpy()),
        curves=[curve for each in experiments for curve in _curves(each)],
        zoo=_imported(experiment),
        profile=profile,
    )


def stored(stage: Stage, read: Callable[[], _Found]) -> _Found | None:
    """What is read of a stage, None if the store no longer has it, or not as it was written: that
    may not be what a run with all its results fails of."""
    if not stage.cached:
        return None
    try:
        return read()
    except TinaKitError as error:
        _LOG.warning("diagnosis and report leave out %s: %s", stage.name, error)
        return None


def _reads_text(row: GeneratorRow) -> bool:
    return bool(row.flags.reads_conditions and row.flags.prompts == "text")


def _curves(experiment: Experiment) -> Iterator[Curve]:
    rows = map(experiment.row, experiment.recipe.generators)
    fits = [row.stage for row in rows if row.stage is not None]
    stages: list[GenericStage | FitStage] = [experiment.generic, *fits]
    for stage in stages:
        for number, points in enumerate(stored(stage, stage.losses) or ()):
            yield Curve(stage.group, experiment.seed, number, [(s, x) for s, x in points])


def _imported(experiment: Experiment) -> ZooFacts | None:
    if experiment.recipe.core.zoo is None:
        return None
    try:
        [stage] = experiment.zoo.stages["id"]
    except UserError:  # its folder is gone
        return None
    vectors = stored(stage, lambda: stage.vectors()[:_LOOKED_AT].double())
    if vectors is None:
        return None
    architecture = experiment.architecture
    layout = architecture.layout(rows_of(architecture, vectors.shape[1]))
    shared = layout.class_of_entries() < 0
    if shared.any():  # a row belongs to a class, which is another one in each task
        vectors = vectors[:, shared]
    length = float(vectors.pow(2).sum(1).mean())
    common = float(torch.square(vectors.mean(0)).sum()) / length if length else 1.0
    return ZooFacts(len(vectors), common)

"""Gathers what the HTML report of a run shows."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from tina_kit.pipeline.answering import OfRun
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.facts import stored
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.recipe import Recipe, ResolvedComponent
from tina_kit.recipe.changed import changed
from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.document.source import ClassImages, Part, Source, TaskAnswers
from tina_kit.report.document.whole import report
from tina_kit.report.facts import Facts
from tina_kit.report.judged import judged
from tina_kit.report.studies import StudyReport
from tina_kit.store import Store
from tina_kit.training import Observers

_LOG = logging.getLogger(__name__)
_SAMPLES = 240  # pictures in all, so that the page stays small
_MOST = 3  # of a class
_SIDE = 64  # pixels; larger pictures are reduced
_LONG = 60  # characters of a setting


def html_report(
    folder: Path,
    record: Mapping[str, Any],
    experiments: Sequence[Experiment],
    facts: Facts,
    findings: Sequence[Finding],
    studies: Mapping[str, StudyReport],
    about: str,
) -> str:
    """The report as HTML. experiments: one for each seed; about: the images and prompts with which
    the run was measured. Pictures of what the store no longer has are left out."""
    experiment = experiments[0]
    recipe = experiment.recipe
    source = Source(
        name=recipe.core.name,
        record=record,
        facts=facts,
        about=about,
        validating=recipe.core.evaluation.on == "validation",
        findings=findings,
        parts=list(_parts(recipe)),
        changed=[(key, _text(value), _text(usual)) for key, value, usual in changed(recipe)],
        studies=studies,
        plots=_plots(folder, studies),
        seconds=[_seconds(experiment.runtime.store, stage) for stage in record["stages"]],
        images=stored(experiment.images, lambda: _images(experiment)),
        answers=_answers(experiment, facts),
    )
    return report(source)


def _seconds(store: Store, stage: Mapping[str, Any]) -> float | None:
    own = stage["seconds"]
    return store.seconds(stage["kind"], stage["key"]) if own is None else float(own)


def _parts(recipe: Recipe) -> Iterator[Part]:
    slots = {
        "data set": recipe.dataset,
        "tasks": recipe.tasks,
        "architecture": recipe.architecture,
        "conditioner": recipe.conditioner,
    }
    rows: dict[str, ResolvedComponent] = {row.name: row.component for row in recipe.generators}
    for role, component in {**slots, **rows}.items():
        yield Part(role, component.entry.full_name, component.entry.component.summary)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _plots(folder: Path, studies: Mapping[str, StudyReport]) -> dict[str, bytes]:
    files = {name: folder / "plots" / f"{name}.svg" for name in studies}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}


def _images(experiment: Experiment) -> ClassImages:
    stage, names = experiment.images, experiment.class_names
    train, test = stage.read("train"), stage.read("test")
    counts = [torch.bincount(part.labels, minlength=len(names)).tolist() for part in (train, test)]
    each = min(_MOST, max(1, _SAMPLES // len(names)))
    wanted, samples = min(len(names), _SAMPLES), {}
    order = train.labels.argsort(stable=True).split(counts[0])
    for place, index in enumerate(order[:wanted]):
        samples[place] = [_jpeg(train.images[number]) for number in index[:each].tolist()]
    return ClassImages(counts[0], counts[1], stage.size, samples)


def _jpeg(pixels: torch.Tensor) -> bytes:
    from PIL import Image

    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    picture.thumbnail((_SIDE, _SIDE))
    file = BytesIO()
    picture.save(file, format="JPEG", quality=88)
    return file.getvalue()


def _answers(experiment: Experiment, facts: Facts) -> TaskAnswers | None:
    """Of the main generator's p-Model for the first task, as `generate` makes it."""
    name, tasks = facts.main, facts.evaluations["tasks"][str(experiment.seed)].get(facts.split)
    rows = {row.name: experiment.row(row) for row in experiment.recipe.generators}
    if name is None or not tasks or not experiment.images.cached:
        return None
    row = rows[name]
    image_prompts = row.flags.reads_conditions and row.flags.prompts == "image"
    if image_prompts or row.flags.personalises or (row.stage is not None and not row.stage.cached):
        return None
    places = [place for place in tasks[0] if place >= 0]
    classes = [experiment.class_names[place] for place in places]
    source = OfRun(experiment)
    source.observer = Observers([])
    try:
        model = ReadyGenerator(source, name, "text").generate(classes)
        some = experiment.test_images(places)
        shares = model.predict_proba(some.sources).numpy()
    except Exception as error:  # of a plugin, as a rule: the run has its results
        _LOG.warning("report.html has no confusion matrix: %s", error)
        return None
    told = judged(shares, some.labels, some.sources, classes, some.about, None)
    return TaskAnswers(name, experiment.seed, facts.split, classes, told.confusion.tolist())

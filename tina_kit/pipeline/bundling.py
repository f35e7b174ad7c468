"""Makes a bundle of a finished run: one file with all that answering needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

import tina_kit
from tina_kit.api import TinaKitError, UserError, abridged
from tina_kit.pipeline.answering import OfRun, RowOfRun
from tina_kit.pipeline.bundled import GENERIC
from tina_kit.pipeline.finished import FinishedRun
from tina_kit.recipe import ResolvedComponent
from tina_kit.report.table import interval, markdown
from tina_kit.store.names import Names
from tina_kit.zoo.bundle_file import CONDITIONER, write_bundle
from tina_kit.zoo.rejection import NONE, Rejection

_NOT_SAVED = ("entry.json", "losses.json")  # the core's, beside what a component saved


@dataclass(frozen=True)
class Bundled:
    """A bundle that was written. size: in bytes; notes: what it cannot do, for the log."""

    path: Path
    generator: str
    size: int
    notes: tuple[str, ...]


def bundle(
    run: FinishedRun,
    output: Path,
    generator: str | None = None,
    seed: int | None = None,
    licence: str = "",
) -> Bundled:
    """Write a generator of a run to one file, with all that it needs to answer elsewhere.

    generator: its name, by default the run's first that reads class names; seed: of the run, by
    default its first; licence: of the data, as the card states it. Raises UserError for a generator
    that needs the run's own p-Models.
    """
    ready = run.generator(generator, seed)
    source, row = ready.source, ready.row
    assert isinstance(source, OfRun) and isinstance(row, RowOfRun)
    if row.flags.personalises or row.flags.id_only:
        raise UserError(
            f"{row.name} answers only the run's own tasks, with p-Models that were fine-tuned for "
            "them; bundle a generator"
        )
    notes: list[str] = []
    tensors = {f"{GENERIC}{name}": tensor for name, tensor in source.generic_state.items()}
    tensors["conditions.seen"] = source.seen_rows
    tensors["conditions.padding"] = source.experiment.conditions.padding
    if "image" in source.experiment.conditions.encoder.untrained.modalities:
        try:
            tensors["conditions.images"] = source.seen_images
        except TinaKitError as error:
            notes.append(f"it answers no images, since the data set's cannot be read: {error}")
    with ExitStack() as stack:
        folders = {name: _copied(folder, stack) for name, folder in _folders(source, row).items()}
        manifest = _manifest(source, row, tensors, licence)
        card = _card(run, manifest, row)
        size = write_bundle(output, manifest, tensors, folders, card)
    _keep_results(run, output, manifest)
    if files := sorted(_local_files(source, row)):
        notes.append(
            f"its components {abridged(files)} are from files of your own, which whoever uses it "
            "must have"
        )
    return Bundled(output, row.name, size, tuple(notes))


def _keep_results(run: FinishedRun, output: Path, manifest: Mapping[str, Any]) -> None:
    """Keep what the bundle was made from for as long as its file exists."""
    results = [(each["kind"], each["key"]) for each in manifest["stages"]]
    if output.is_file():
        with suppress(OSError):  # somebody else's store; a bundle needs none
            Names(run.store.root).add("bundle", output, results, manifest["name"])


def _stages(source: OfRun, row: RowOfRun) -> list[dict[str, str]]:
    """The stages whose results are in the bundle, for the record."""
    experiment, fitted = source.experiment, row.row
    conditions = experiment.conditions
    stages = [
        experiment.generic,
        conditions.encoder.stage,
        conditions.text,
        fitted.stage,
        *fitted.inherited.values(),
        experiment.evaluation(fitted.named),
        experiment.rejection(fitted.named),
    ]
    there = [stage for stage in stages if stage is not None and stage.cached]
    return [{"name": stage.name, "kind": stage.kind, "key": stage.key} for stage in there]


def _folders(source: OfRun, row: RowOfRun) -> dict[str, Path]:
    """What components saved, by their folders in the bundle."""
    fitted = row.row
    found = {} if fitted.stage is None else {"generators/0": fitted.stage.entry.folder}
    for number, (_, stage) in enumerate(sorted(fitted.inherited.items()), 1):
        found[f"generators/{number}"] = stage.entry.folder
    trained = source.experiment.conditions.encoder.stage
    if trained is not None:
        found[CONDITIONER] = trained.entry.folder / CONDITIONER
    return found


def _copied(folder: Path, stack: ExitStack) -> Path:
    """Its files without the core's own. Raises TinaKitError for folders inside."""
    copy = Path(stack.enter_context(TemporaryDirectory()))
    for file in folder.iterdir():
        if file.is_dir() or file.suffix not in (".safetensors", ".json"):
            raise TinaKitError(f"{file}: a component may save safetensors and JSON alone")
        if file.name not in _NOT_SAVED:
            shutil.copy(file, copy / file.name)
    return copy


def _manifest(
    source: OfRun, row: RowOfRun, tensors: Mapping[str, Tensor], licence: str
) -> dict[str, Any]:
    experiment, fitted = source.experiment, row.row
    recipe = experiment.recipe
    components = {
        "architecture": recipe.architecture,
        "conditioner": recipe.conditioner,
        "generator": fitted.named.component,
    }
    needs = [each for component in components.values() for each in _needs(component)]
    return {
        "name": source.name,
        "seed": source.seed,
        "classes": list(source.class_names),
        "seen": source.seen.tolist(),
        "learned": sorted(source.learned),
        "image_size": list(source.image_size),
        "task_classes": fitted.tasks.shape[1],
        "width": tensors["conditions.padding"].shape[0],
        "architecture": components["architecture"].plain(),
        "conditioner": components["conditioner"].plain(),
        "generator": {
            "name": row.name,
            "component": dict(row.settings),
            "folder": None if fitted.stage is None else "generators/0",
            "inherited": {
                option: f"generators/{number}"
                for number, option in enumerate(sorted(fitted.inherited), 1)
            },
            "expected": row.expected,
            "rejection": [each.model_dump() for each in row.rejection],
        },
        "needs": needs,
        "licence": licence,
        "made_by": {"tina_kit": tina_kit.__version__},
        "stages": _stages(source, row),
    }


def _all(component: ResolvedComponent) -> Iterator[ResolvedComponent]:
    yield component
    for child in component.children.values():
        for each in child if isinstance(child, tuple) else (child,):
            yield from _all(each)


def _needs(component: ResolvedComponent) -> Iterator[dict[str, Any]]:
    for each in _all(component):
        entry = each.entry
        yield {
            "kind": entry.component.kind,
            "name": entry.full_name,
            "version": entry.component.version,
            "origin": entry.origin,
        }


def _local_files(source: OfRun, row: RowOfRun) -> set[str]:
    recipe = source.experiment.recipe
    components = (recipe.architecture, recipe.conditioner, row.row.named.component)
    found = (each.entry for component in components for each in _all(component))
    return {entry.full_name for entry in found if entry.content}


def _none_of_these(rejection: Sequence[Rejection]) -> list[str]:
    """What the card says about images of other classes."""
    if not rejection:
        return [f"No threshold for '{NONE}' was measured."]
    one = rejection[-1]
    return [
        f"With `--reject` it answers '{NONE}' to images whose {one.score} is below a threshold. "
        f"It is set so that {one.target:g}% of the training images of {one.tasks} ID tasks are, in "
        f"their own task's classifier. The errors are those on {one.on} images of {one.measured} "
        f"{one.split.upper()} tasks, which had no part in that (means over tasks):",
        "",
        "| classes | threshold | own images rejected | images of other classes accepted |",
        "| --- | --- | --- | --- |",
        *(
            f"| {each.classes} | {each.threshold:.4g} | {each.own_rejected:.1f}% | "
            f"{each.foreign_accepted:.1f}% |"
            for each in rejection
        ),
    ]


def _card(run: FinishedRun, manifest: Mapping[str, Any], row: RowOfRun) -> str:
    """The model card, in Markdown."""
    recipe, expected = run.recipe, manifest["generator"]["expected"]
    dataset = recipe.dataset.entry.full_name
    unseen = len(manifest["classes"]) - len(manifest["seen"])
    told = "not measured"
    if expected is not None:
        on = f"{expected['tasks']} {expected['split'].upper()} tasks of up to {expected['classes']}"
        told = f"{interval(expected['p_acc'], expected['ci95'])} percent on {on} classes"
    try:
        table = markdown(run.results["generators"])
    except (OSError, ValueError, KeyError):
        table = "(the run folder has no results)"
    lines = [
        f"# {manifest['name']}",
        "",
        f"A generator of image classifiers, made by tina-kit {tina_kit.__version__}: it turns "
        "class names into a classifier for exactly these classes.",
        "",
        "```sh",
        'tina-kit generate THIS_FILE --classes "…, …" -o mine.safetensors',
        "```",
        "",
        f"- generator: {row.name} ({manifest['generator']['component']['use']})",
        f"- classifiers: {manifest['architecture']['use']}, images "
        f"{manifest['image_size'][0]}×{manifest['image_size'][1]}",
        f"- class names are embedded by {manifest['conditioner']['use']}",
        f"- data: {dataset}, {len(manifest['classes'])} classes, {unseen} of them not trained on",
        f"- licence of the data: {manifest['licence'] or 'not stated'}",
        f"- expected p-Acc: {told}",
        "",
        "## Results of its run",
        "",
        table,
        "",
        "## Limits",
        "",
        "A classifier answers one of its classes, whatever an image shows. Its probabilities are "
        "not calibrated. Classes unlike all that were trained on are likely to be wrong; "
        "`generate` says which.",
        "",
        *_none_of_these(row.rejection),
        "",
        "## Classes",
        "",
        ", ".join(manifest["classes"][place] for place in manifest["seen"]),
        "",
    ]
    return "\n".join(lines)

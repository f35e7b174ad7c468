"""What can be done with tina-kit from Python; `tina_kit` offers all of it by name.

Every command of the command line is one of these calls.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api.errors import UserError
from tina_kit.api.paths import user_path

if TYPE_CHECKING:
    from tina_kit.api.observer import Observer
    from tina_kit.pipeline.bundling import Bundled
    from tina_kit.pipeline.findings import Finding
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.pipeline.many import Many
    from tina_kit.pipeline.personal import ReadyGenerator
    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.run import Run
    from tina_kit.plugins import Registered, Registry
    from tina_kit.report.judged import Judgement
    from tina_kit.zoo.exporting import Exported, Format
    from tina_kit.zoo.pmodel import PModel

Overrides = Mapping[str, Any] | Sequence[str]
"""Dotted keys → values, or texts like `generators.tina-dit.steps=200`."""
Files = Sequence[str | Path]
"""Python files with components of your own, whose code runs."""


def run(
    recipe: str | Path,
    *,
    profile: str | None = None,
    set: Overrides = (),
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    output: str | Path = "runs",
    plugins: Files = (),
    observers: Sequence[Observer] | None = None,
) -> FinishedRun:
    """Run a recipe; what an earlier run has already computed is taken from the store.

    recipe: a YAML file; profile: one of its named sets of overrides; set: further overrides,
    `{"generators.tina-dit.steps": 200}`; seeds: in place of the recipe's; device: "auto", "cpu",
    "cuda", …; output: where run folders go; plugins: Python files with components of your own,
    whose code runs.
    observers: watch the run; by default a progress bar on a terminal, else a line now
    and then on stderr.

    Raises UserError for a mistake in the recipe and TinaKitError for a run that fails.
    """
    registry = discovered(plugins)
    made = plan_with(registry, recipe, profile, set, seeds, device, plugins, observers)
    current = start(made, registry, output)
    current.execute()
    from tina_kit.pipeline.finished import FinishedRun

    return FinishedRun(current.folder, registry, device)


def plan(
    recipe: str | Path,
    *,
    profile: str | None = None,
    set: Overrides = (),
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    plugins: Files = (),
) -> Plan:
    """The stages of a recipe, their keys and which are cached; nothing is computed."""
    registry = discovered(plugins)
    return plan_with(registry, recipe, profile, set, seeds, device, plugins, ())


def open_run(folder: str | Path, device: str = "auto") -> FinishedRun:
    """A finished run. Raises UserError if the folder is not one."""
    from tina_kit.pipeline.finished import FinishedRun

    return FinishedRun(folder, discovered(), device)


def bundle(
    run: str | Path | FinishedRun,
    output: str | Path,
    *,
    generator: str | None = None,
    seed: int | None = None,
    licence: str = "",
) -> Bundled:
    """Write a generator of a finished run to one file, with all that it needs to answer elsewhere.

    generator: its name, by default the run's first that reads class names; seed: of the run, by
    default its first; licence: of the data, for the card. Raises UserError if the run has no such
    generator or the file cannot be written.
    """
    from tina_kit.pipeline.bundling import bundle
    from tina_kit.pipeline.finished import FinishedRun

    opened = run if isinstance(run, FinishedRun) else open_run(run, "cpu")
    return bundle(opened, user_path(output), generator, seed, licence)


def push_bundle(file: str | Path, place: str, *, private: bool = False) -> str:
    """Upload a bundle to a model on the Hugging Face Hub, with its card as README.

    place: "hf:OWNER/NAME", which is made if it does not exist; private: then for its owner alone.
    Returns the commit's address. Raises UserError for a file that is no bundle, without a token,
    and if the Hub refuses it or cannot be reached.
    """
    from tina_kit.zoo.hub import push

    return push(user_path(file), place, private)


def pull_bundle(place: str, output: str | Path) -> None:
    """Download a bundle from the Hugging Face Hub.

    place: "hf:OWNER/NAME", or "hf:OWNER/NAME@REVISION". Raises UserError if there is none, if it is
    damaged, and if the Hub refuses it or cannot be reached.
    """
    from tina_kit.zoo.hub import pull

    pull(place, user_path(output))


def load_generator(
    source: str | Path,
    name: str | None = None,
    *,
    seed: int | None = None,
    prompts: str = "text",
    device: str = "auto",
    plugins: Files = (),
    trust: bool = False,
) -> ReadyGenerator:
    """A generator that makes p-Models, from a run folder or a bundle.

    name: of the run's generator, by default the first for such prompts; seed: of the run; prompts:
    "text" or "image"; plugins: as in `run`; trust: whether a bundle may ask servers, for which its
    maker must be trusted. Raises UserError for what is neither, is damaged, or lacks the generator.
    """
    return generator_with(
        discovered(plugins), source, name, seed=seed, prompts=prompts, device=device, trust=trust
    )


def generate_many(
    generator: ReadyGenerator,
    tasks: str | Path | Sequence[Sequence[str]],
    output: str | Path,
    *,
    strict: bool = False,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Many:
    """Write the p-Models of many tasks to a folder, with a manifest; repeated, it continues.

    generator: of `load_generator` or a run; tasks: a CSV file with the classes of a task in each
    line, or lists; strict: refuse classes that are too dissimilar to every seen one; tell: is told
    how many tasks are done, and of how many. Raises UserError for tasks that cannot be answered and
    for a folder that holds anything else.
    """
    from tina_kit.pipeline.many import generate_many, read_tasks

    lists = read_tasks(user_path(tasks)) if isinstance(tasks, (str, Path)) else tasks
    return generate_many(generator, lists, user_path(output), strict, tell)


def validate(
    recipe: str | Path,
    *,
    profile: str | None = None,
    set: Overrides = (),
    plugins: Files = (),
) -> list[str]:
    """Check a recipe, with each of its profiles unless one is named. Returns the names of the
    profiles that were checked; raises UserError with every mistake. Imports no torch."""
    return validate_with(discovered(plugins), recipe, profile, set)


def components(kind: str | None = None, *, plugins: Files = ()) -> list[dict[str, Any]]:
    """The components that recipes can name, of all kinds unless one is given, as `list --json`
    prints them. Imports no torch."""
    from tina_kit.recipe.describe import facts

    return [facts(entry) for entry in entries(discovered(plugins), kind)]


def component(kind: str, name: str, *, plugins: Files = ()) -> dict[str, Any]:
    """A component with its options and an example, as `show --json` prints it. Raises UserError if
    there is none of this name. Imports no torch."""
    return component_with(discovered(plugins), kind, name)


def schema(*, plugins: Files = ()) -> dict[str, Any]:
    """A JSON Schema of recipes with all installed components. Imports no torch."""
    from tina_kit.pipeline.console import log
    from tina_kit.recipe.json_schema import recipe_schema

    return recipe_schema(discovered(plugins), log)


def doctor() -> list[Finding]:
    """What is wrong with this machine and the installed plugins. Their code is imported in
    processes of their own, which takes seconds."""
    from tina_kit.pipeline.findings import findings_of
    from tina_kit.plugins.examination import examine

    return findings_of(examine().registry)


def init(
    images: str | Path | None = None,
    *,
    output: str | Path | None = None,
    set: Sequence[str] = (),
    device: str = "auto",
) -> Path:
    """Write a recipe that fits a folder of images and this machine, or one that draws its images.

    images: contains a folder of images per class; output: the recipe to write, by default named
    after `images`; set: texts like `dataset.size=64`. Returns the recipe. Raises UserError if it
    exists or the images cannot be read.
    """
    from tina_kit.pipeline.console import log
    from tina_kit.scaffold.recipe import write_recipe

    folder, file = (None if path is None else Path(path) for path in (images, output))
    made = write_recipe(folder, discovered(), output=file, sets=set, device=device, say=log)
    return made.path


def new_plugin(name: str, kinds: Sequence[str], folder: str | Path = ".") -> Path:
    """Write a working plugin package with an example of each kind, and return its new folder.
    Raises UserError for a wrong name or kind and for a folder that exists."""
    from tina_kit.plugins.registry import known_kind
    from tina_kit.scaffold import write_plugin

    return write_plugin(name, [known_kind(kind) for kind in kinds], Path(folder))


def predict(
    model: str | Path | PModel,
    images: Any,
    *,
    top: int = 1,
    reject: bool = False,
    device: str = "auto",
) -> Iterator[dict[str, Any]]:
    """Classify image files, which are read while the rows are taken.

    model: a p-Model or its file; images: paths of files and folders and patterns, one or a list.
    Yields for each image `image` (its path) and `top`, the `top` most probable classes as a list of
    `class` and `probability`; with `reject` also `rejected`, whether it shows none of the classes.
    Raises UserError for what is no p-Model or cannot be read, and with `reject` for a p-Model
    without a threshold.
    """
    from tina_kit.zoo.given import image_paths

    loaded = loaded_model(model, device)
    given = [images] if isinstance(images, (str, os.PathLike)) else images
    paths = [path for each in given for path in image_paths(each)]
    return loaded.rows(paths, top, reject)


def evaluate(
    model: str | Path | PModel,
    images: str | Path | None = None,
    *,
    run: str | Path | FinishedRun | None = None,
    device: str = "auto",
) -> Judgement:
    """How right a p-Model is on labelled images.

    model: a p-Model or its file; images: a folder with a folder per class, of which the `test` part
    is taken where there is one; run: instead, a finished run, whose own test images are taken, as
    it stored them. Raises UserError for what is no p-Model, and if there are no images of its
    classes.
    """
    from tina_kit.report.judged import judged
    from tina_kit.zoo.labelled import labelled

    if (images is None) == (run is None):
        raise UserError("give either a folder of images or a run: what to test the p-Model on")
    loaded = loaded_model(model, device)
    if images is not None:
        some = labelled(Path(images), loaded.classes)
    else:
        from tina_kit.pipeline.finished import FinishedRun

        opened = run if isinstance(run, FinishedRun) else open_run(run or "", device)
        some = opened.test_images(loaded.classes)
    shares = loaded.predict_proba(some.sources).numpy()
    expected = loaded.info["expected"]
    return judged(shares, some.labels, some.sources, loaded.classes, some.about, expected)


def export(
    model: str | Path | PModel,
    output: str | Path,
    *,
    format: Format = "onnx",
    images: str | Path | None = None,
    int8: bool = False,
) -> Exported:
    """Write a p-Model for other programs, with resizing, normalisation and class names inside.

    model: a p-Model or its file; format: "onnx", "torch-export", "safetensors" or "html" (a page
    for browsers); images: a folder of images to compare it with the p-Model on, labelled if it has
    a folder per class, by default generated ones; int8: with weights of 8 bits ("onnx" alone).
    Raises UserError for what cannot be exported, and TinaKitError if the answers are not the
    p-Model's; nothing is written then.
    """
    from tina_kit.zoo.exporting import export

    return export(loaded_model(model, "cpu"), output, format, images, int8)


def export_zoo(run: str | Path, output: str | Path, *, seed: int | None = None) -> None:
    """Write the ID tasks and p-Models of a finished run to a new folder, which a recipe learns from
    with `zoo: FOLDER`. seed: of the run, by default its first. Raises UserError if the folder
    exists or the run has none."""
    from tina_kit.zoo.archive import check_place, write

    check_place(Path(output))
    from tina_kit.pipeline.export import exported_zoo

    write(exported_zoo(open_run(run, "cpu").experiment(seed)), Path(output))


def import_zoo(
    source: str | Path,
    output: str | Path,
    *,
    architecture: str | None = None,
    set: Sequence[str] = (),
) -> None:
    """Write a zoo to a new folder from p-Models that were trained elsewhere.

    source: a zoo's folder, or a folder of PyTorch checkpoints, which needs `architecture`, a
    component's name; set: its options as texts like `widths=[16,32]`. Raises UserError for what
    does not fit. No code in a file is run.
    """
    from tina_kit.zoo.archive import check_place, write

    check_place(Path(output))
    from tina_kit.pipeline.console import log
    from tina_kit.zoo.importing import imported

    write(imported(Path(source), discovered(), architecture, set, log), Path(output))


def describe_zoo(folder: str | Path) -> dict[str, Any]:
    """Tasks, classes, layers, architecture and origin of a zoo, as `zoo show --json` prints
    them."""
    from tina_kit.zoo.archive import read
    from tina_kit.zoo.summary import summary

    return summary(read(Path(folder)))


def loaded_model(model: str | Path | PModel, device: str) -> PModel:
    """A p-Model, on a device; given, or read from its file."""
    from tina_kit.zoo.pmodel import PModel, load

    return (model if isinstance(model, PModel) else load(model)).to(device)


# The same with a registry at hand, for the command line, which reports broken plugins its own way.


def discovered(plugins: Files = ()) -> Registry:
    """All installed plugins and those of local files."""
    from tina_kit.pipeline.console import log
    from tina_kit.plugins import discover
    from tina_kit.plugins.discovery import load_file

    registry = discover()
    registry.announce = log
    for file in plugins:
        failure = load_file(registry, Path(file), "named in the call")
        if failure is not None:
            raise UserError(f"{file}: {failure}")
    return registry


def entries(registry: Registry, kind: str | None) -> list[Registered]:
    """All components of a kind, or of all kinds in their order."""
    from tina_kit.api.component import KINDS
    from tina_kit.plugins.registry import known_kind

    kinds = KINDS if kind is None else (known_kind(kind),)
    return [entry for each in kinds for entry in registry.of_kind(each)]


def component_with(registry: Registry, kind: str, name: str) -> dict[str, Any]:
    from tina_kit.plugins.registry import UnknownComponent, known_kind
    from tina_kit.recipe.describe import described

    try:
        return described(registry.get(known_kind(kind), name), registry)
    except UnknownComponent as error:
        raise UserError(str(error)) from None


def generator_with(
    registry: Registry,
    source: str | Path,
    name: str | None,
    *,
    seed: int | None = None,
    prompts: str = "text",
    device: str = "auto",
    observers: Sequence[Observer] = (),
    trust: bool = False,
) -> ReadyGenerator:
    path = user_path(source)
    if path.is_dir() or not path.exists():
        from tina_kit.pipeline.finished import FinishedRun

        return FinishedRun(path, registry, device, observers).generator(name, seed, prompts)
    from tina_kit.pipeline.bundled import Bundle
    from tina_kit.pipeline.console import log
    from tina_kit.pipeline.personal import ReadyGenerator
    from tina_kit.training import Observers, resolve_device
    from tina_kit.zoo.bundle_file import BundleFile

    bundle = Bundle(BundleFile(path), registry, resolve_device(device), trust)
    bundle.observer = Observers(observers)
    if seed not in (None, bundle.seed):
        raise UserError(f"{path}: this bundle has no seed {seed}; its seed is {bundle.seed}")
    for line in bundle.warnings:
        log(f"warning: {line}")
    return ReadyGenerator(bundle, name or bundle.manifest.generator.name, prompts)


def plan_with(
    registry: Registry,
    recipe: str | Path,
    profile: str | None,
    set: Overrides,
    seeds: Sequence[int] | None,
    device: str,
    plugins: Files,
    observers: Sequence[Observer] | None,
) -> Plan:
    from tina_kit.recipe import load_recipe

    resolved = load_recipe(Path(recipe), registry, profile=profile, sets=set, seeds=seeds)
    # As if the recipe named them, so that the run folder can be read by itself.
    files = [Path(file).resolve() for file in plugins]
    resolved = replace(resolved, plugins=(*dict.fromkeys((*files, *resolved.plugins)),))

    from tina_kit.pipeline.console import console, log
    from tina_kit.pipeline.plan import Plan
    from tina_kit.store import Store
    from tina_kit.training import Observers, resolve_device

    watching = Observers([console()] if observers is None else observers, log)
    return Plan.of(resolved, Store.default(), resolve_device(device), watching)


def start(plan: Plan, registry: Registry, output: str | Path) -> Run:
    """A run with its folder, watched by the plugins' observers too, ready to be executed."""
    from tina_kit.pipeline.console import log
    from tina_kit.pipeline.run import Run
    from tina_kit.plugins.observers import observers_of

    origins = sorted({loaded.plugin.origin for loaded in registry.plugins})
    current = Run.start(plan, Path(output), ["tina-kit", *sys.argv[1:]], origins)
    plan.runtime.observer.invite(*observers_of(registry, current.info(), log))
    return current


def validate_with(
    registry: Registry, recipe: str | Path, profile: str | None, set: Overrides
) -> list[str]:
    from tina_kit.recipe.load import profiles_of, resolved, source_of

    path = Path(recipe)
    source = source_of(path)
    names = [profile] if profile else [None, *profiles_of(source)]
    for each in names:
        resolved(path, source, registry, profile=each, sets=set)
    return [name for name in names if name]

"""Writes a recipe that fits a folder of images and this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tina_kit.api import TinaKitError, UserError
from tina_kit.pipeline.estimate import Cost, estimate
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stages.images import ImagesStage
from tina_kit.plugins import Registry
from tina_kit.recipe import Recipe, ResolvedComponent, load_recipe
from tina_kit.recipe.load import profile_names
from tina_kit.recipe.node import RecipeError, Where
from tina_kit.recipe.overrides import override, parse_set
from tina_kit.recipe.resolve import plain_node, resolve_plain
from tina_kit.recipe.writing import written
from tina_kit.scaffold.comments import comments
from tina_kit.scaffold.findings import Findings, look, original_size
from tina_kit.scaffold.fitting import fitted, tasks_of
from tina_kit.store import Store
from tina_kit.store.new_file import check_new, write_new
from tina_kit.training import resolve_device

SIDE = 32  # pixels of the images that the small CNN sees; smaller ones are not enlarged
_SMALLEST = 8  # that data sets offer
_REMEDY = "choose another file with --output"
_SOURCE = "tina-kit init"
_CONDITIONERS = ("sentence-transformer", "hashed-ngrams")  # the first that can be used here


@dataclass(frozen=True)
class Written:
    """A recipe that was written to `path`. costs: what a run of it takes on this machine."""

    path: Path
    findings: Findings
    costs: Sequence[Cost]


def write_recipe(
    images: Path | None,
    registry: Registry,
    *,
    output: Path | None = None,
    sets: Sequence[str] = (),
    device: str = "auto",
    say: Callable[[str], None] = lambda line: None,
) -> Written:
    """Look at a folder of images, measure a few steps, and write a recipe.

    images: holds a folder of images for each class; None for drawn ones.
    output: a new file, by default named after the images, in the working directory.
    sets: `key=value` texts in place of what would be chosen; those of the data set count before
        it is read.
    say: is told what was found, and what takes a while.

    Raises UserError where the images cannot be read, for too few classes, for mistakes in `sets`,
    and where `output` exists.
    """
    others = [text for text in sets if _top(text) != "dataset"]
    dataset = _dataset(images, [text for text in sets if _top(text) == "dataset"])
    path = output or Path(f"{_name(_called(images, dataset))}.yaml")
    check_new(path, _REMEDY)
    runtime = Runtime.of(Store.default(), resolve_device(device), "auto")
    part, dataset, found = _looked(dataset, registry, runtime, say)
    conditioner = _conditioner(registry, found.classes, others)
    recipe = {"name": _name(path.stem), "dataset": dataset, **fitted(found, conditioner)}
    if _busy():
        say("note: other programs are using this machine, so the estimated times may be too long")
    say("Measuring a few steps of every stage …")
    with TemporaryDirectory(prefix="tina-kit-") as folder:
        recipe["dataset"] = _located(dataset, part, None)
        plan = Plan.of(
            _checked(recipe, others, Path(folder) / path.name, registry),
            runtime.store,
            runtime.device,
        )
        costs = estimate(plan)
    recipe["dataset"] = _located(dataset, part, path.resolve().parent)
    told = comments(path, found, plan, costs, [_top(text) for text in others])
    write_new(path, written(_settled(recipe, others), told), _REMEDY)
    return Written(path, found, costs)


def _top(text: str) -> str:
    return parse_set(text)[0].partition(".")[0]


def _dataset(images: Path | None, sets: Sequence[str]) -> dict[str, Any]:
    start = {"use": "shapes"}
    if images is not None:
        start = {"use": "image-folder", "root": str(images)}
    dataset = _overridden({"dataset": start}, sets)["dataset"]
    return dataset if isinstance(dataset, dict) else {"use": dataset}


def _overridden(recipe: Mapping[str, Any], sets: Sequence[str]) -> dict[str, Any]:
    root = plain_node(recipe, Where(_SOURCE, 0, 0, Path.cwd()))
    for text in sets:
        root = override(root, *parse_set(text))
    changed: dict[str, Any] = root.plain()
    return changed


def _called(images: Path | None, dataset: Mapping[str, Any]) -> str:
    return str(dataset.get("use")) if images is None else images.expanduser().resolve().name


def _name(text: str) -> str:
    """What a recipe may be called, as near to `text` as possible."""
    return re.sub(r"[^\w.+-]+", "_", text).strip("._-")[:60] or "mine"


def _looked(
    dataset: dict[str, Any], registry: Registry, runtime: Runtime, say: Callable[[str], None]
) -> tuple[ResolvedComponent, dict[str, Any], Findings]:
    """The data set, its settings with the size of its images, and what it holds."""
    with _explaining_options():
        part, dataset = _sized(dataset, registry)
        stage = ImagesStage(runtime, part, validating=False)
        tasks_of(len(stage.dataset.class_names))  # checked before anything slow
        say("Reading the images …")
        found = look(stage)
    say(found.summary)
    for note in found.notes():
        say(f"note: {note}")
    return part, dataset, found


@contextmanager
def _explaining_options() -> Iterator[None]:
    """Explains errors of a data set, which speak of a recipe's options, for `tina-kit init`."""
    try:
        yield
    except RecipeError:
        raise
    except UserError as error:
        raise UserError(
            f"{error}\nWith tina-kit init `root` is the folder that you name, and other options of "
            "the data set are given as --set dataset.OPTION=VALUE"
        ) from None


def _sized(dataset: dict[str, Any], registry: Registry) -> tuple[ResolvedComponent, dict[str, Any]]:
    part = resolve_plain(dataset, "dataset", _SOURCE, registry)
    original = original_size(part.build())
    if original is None or "size" in dataset or "size" not in type(part.options).model_fields:
        return part, dataset
    dataset = {**dataset, "size": max(_SMALLEST, min(SIDE, *original))}
    return resolve_plain(dataset, "dataset", _SOURCE, registry), dataset


def _located(
    dataset: Mapping[str, Any], part: ResolvedComponent, folder: Path | None
) -> dict[str, Any]:
    """The settings with paths as a recipe in `folder` says them: relative where they were given
    so. folder: None for absolute ones."""

    def path(given: str) -> str:
        here = os.path.abspath(os.path.expanduser(given))
        if folder is None or os.path.isabs(os.path.expanduser(given)):
            return here
        return Path(os.path.relpath(here, folder)).as_posix()

    return {
        key: path(value) if isinstance(getattr(part.options, key, None), Path) else value
        for key, value in dataset.items()
    }


def _conditioner(registry: Registry, classes: Sequence[str], sets: Sequence[str]) -> str:
    best, other = _CONDITIONERS
    if any(_top(text) == "conditioner" for text in sets):
        return other  # and is replaced
    # What the better one needs may not be installed, or its model may not be on this machine.
    with suppress(TinaKitError):
        part = resolve_plain({"use": best}, "conditioner", _SOURCE, registry)
        part.build().embed(list(classes[:1]))
        return best
    return other


def _busy() -> bool:
    """Whether more programs than this one have kept the machine's cores busy for a minute."""
    try:
        return os.getloadavg()[0] > torch.get_num_threads() + 0.5
    except (OSError, AttributeError):  # not on every system
        return False


def _checked(
    recipe: Mapping[str, Any], sets: Sequence[str], file: Path, registry: Registry
) -> Recipe:
    """The recipe as it will be, in `file`. Raises UserError for mistakes in `sets`."""
    file.write_text(written(recipe), encoding="utf-8")
    loaded = load_recipe(file, registry, sets=sets)  # errors then point at `sets`
    file.write_text(written(_settled(recipe, sets)), encoding="utf-8")
    for profile in (None, *profile_names(file)):
        load_recipe(file, registry, profile=profile)
    return loaded


def _settled(recipe: Mapping[str, Any], sets: Sequence[str]) -> dict[str, Any]:
    """With `sets`, and without keys of profiles for components that these have removed."""
    settled = _overridden(recipe, sets)
    for profile in settled["profiles"].values():
        for key in [key for key, value in profile.items() if not _is_there(settled, key, value)]:
            del profile[key]
    return settled


def _is_there(recipe: Mapping[str, Any], key: str, value: Any) -> bool:
    where = Where(_SOURCE, 0, 0, Path.cwd())
    try:
        override(plain_node(recipe, where), key, plain_node(value, where))
    except RecipeError:
        return False
    return True

"""Generators of finished runs: as bundles, on the Hub, and for p-Models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api.errors import UserError
from tina_kit.api.paths import user_path
from tina_kit.library.installed import Files, discovered
from tina_kit.library.runs import open_run

if TYPE_CHECKING:
    from tina_kit.api.observer import Observer
    from tina_kit.pipeline.bundling import Bundled
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.pipeline.many import Many
    from tina_kit.pipeline.personal import ReadyGenerator
    from tina_kit.plugins import Registry


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

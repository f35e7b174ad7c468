"""Runs recipes and opens what they have left."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api.paths import user_path
from tina_kit.library.installed import Files, discovered

if TYPE_CHECKING:
    from tina_kit.api.observer import Observer
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.run import Run
    from tina_kit.plugins import Registry
    from tina_kit.training import Ranks

Overrides = Mapping[str, Any] | Sequence[str]
"""Dotted keys → values, or texts like `generators.tina-dit.steps=200`."""


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
    track: Sequence[str] = (),
    workers: int | None = None,
    on: str | None = None,
    keep_going: bool = False,
) -> FinishedRun:
    """Run a recipe; what an earlier run has already computed is taken from the store.

    recipe: a YAML file; profile: one of its named sets of overrides; set: further overrides,
    `{"generators.tina-dit.steps": 200}`; seeds: in place of the recipe's; device: "auto", "cpu",
    "cuda", …; output: where run folders go; plugins: Python files with components of your own,
    whose code runs.
    observers: watch the run; by default a progress bar on a terminal, else a line now
    and then on stderr.
    track: names of trackers to tell as well, such as "tensorboard".
    workers: processes that compute stages side by side, to which OMP_NUM_THREADS gives their
    threads, or else an equal share of the cores; a script that asks for them must begin below
    `if __name__ == "__main__":`, since each of them imports it. on: "ray" or "ray://ADDRESS" lets
    a Ray cluster do that.
    keep_going: after a failure, compute what does not need its result, and fail then.

    Raises UserError for a mistake in the recipe and TinaKitError for a run that fails.
    """
    from tina_kit.pipeline.workers.team import team_of

    registry = discovered(plugins)
    made = plan_with(registry, recipe, profile, set, seeds, device, plugins, observers)
    with team_of(workers, on) as team:
        current = start(made, registry, output, track)
        current.execute(team, keep_going)
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


def write_report(run: str | Path | FinishedRun, output: str | Path | None = None) -> Path:
    """Write the HTML report of a finished run, which every run writes when it ends, again: with a
    newer version, or for a run folder that has none.

    output: a file, by default `report.html` in the run folder. Returns its path. Raises UserError
    if there is no such run or the file cannot be written.
    """
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.pipeline.run_folders import REPORT
    from tina_kit.store.output import write_output

    opened = run if isinstance(run, FinishedRun) else open_run(run)
    path = opened.folder / REPORT if output is None else user_path(output)
    write_output(path, opened.report().encode("utf-8", "backslashreplace"))
    return path


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


def plan_with(
    registry: Registry,
    recipe: str | Path,
    profile: str | None,
    set: Overrides,
    seeds: Sequence[int] | None,
    device: str,
    plugins: Files,
    observers: Sequence[Observer] | None,
    ranks: Ranks | None = None,
) -> Plan:
    from tina_kit.recipe import load_recipe

    resolved = load_recipe(Path(recipe), registry, profile=profile, sets=set, seeds=seeds)
    # As if the recipe named them, so that the run folder can be read by itself.
    files = [Path(file).resolve() for file in plugins]
    resolved = replace(resolved, plugins=(*dict.fromkeys((*files, *resolved.plugins)),))

    from tina_kit.pipeline.console import console, log
    from tina_kit.pipeline.plan import Plan
    from tina_kit.store import Store
    from tina_kit.training import ALONE, Observers, resolve_device

    watching = Observers([console()] if observers is None else observers, log)
    there = resolve_device(device)
    return Plan.of(resolved, Store.default(), there, watching, ranks or ALONE)


def start(plan: Plan, registry: Registry, output: str | Path, track: Sequence[str] = ()) -> Run:
    """A run with its folder, watched by the plugins' observers too, ready to be executed."""
    from tina_kit.pipeline.console import log
    from tina_kit.pipeline.run import Run
    from tina_kit.plugins.observers import observers_of
    from tina_kit.plugins.trackers import trackers

    asked = trackers(registry, track)
    origins = sorted({loaded.plugin.origin for loaded in registry.plugins})
    current = Run.start(plan, Path(output), ["tina-kit", *sys.argv[1:]], origins)
    info = current.info()
    plan.runtime.observer.invite(*observers_of(registry, info, log))
    made = [tracker.observer(info, log) for tracker in asked]
    plan.runtime.observer.invite(*(each for each in made if each is not None))
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

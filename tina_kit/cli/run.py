"""`run`: from a recipe to a results table."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tina_kit.api.errors import UserError
from tina_kit.api.messages import printable
from tina_kit.cli import complete
from tina_kit.cli.common import (
    PluginFiles,
    Profile,
    RecipeFile,
    Sets,
    Strict,
    log,
    registry,
    show_warnings,
    user_paths,
)
from tina_kit.cli.progress import progress
from tina_kit.cli.terminal import raw

if TYPE_CHECKING:
    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.run import Results


def run(
    recipe: RecipeFile,
    set_: Sets = None,
    profile: Profile = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds in place of the recipe's, like 0,1,2.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", autocompletion=complete.devices)
    ] = "auto",
    output: Annotated[Path, typer.Option(help="Where run folders go.", callback=user_paths)] = Path(
        "runs"
    ),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show stages, keys and what is cached; do nothing.")
    ] = False,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Run a recipe and print its results table.

    A run that was stopped resumes when the same command is run again. It ends with the same digits
    if the number of threads (OMP_NUM_THREADS), the hardware and the version of torch are the same.
    """
    from tina_kit.recipe import load_recipe

    show_warnings()
    found = registry(plugin or (), strict)
    resolved = load_recipe(recipe, found, profile=profile, sets=set_ or (), seeds=_seeds(seeds))
    # As if the recipe named them, so that the run folder can be read by itself.
    files = [file.resolve() for file in plugin or ()]
    resolved = replace(resolved, plugins=(*dict.fromkeys((*files, *resolved.plugins)),))

    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.run import Run
    from tina_kit.store import Store
    from tina_kit.training import resolve_device

    plan = Plan.of(resolved, Store.default(), resolve_device(device), progress())
    if dry_run:
        _print_plan(plan)
        return
    plugins = sorted({f"{entry.origin}" for entry in found.registered})
    command = ["tina-kit", *sys.argv[1:]]
    if resolved.core.zoo is not None and resolved.says("tasks", "id"):
        told = f"{resolved.where('tasks', 'id')}: tasks.id has no effect"
        log(f"warning: {told}: the tasks of {resolved.core.zoo} are the ID tasks")
    log(f"{resolved.core.name}: {_summary(plan)}")
    current = Run.start(plan, output, command, log, plugins)
    for key, facts in current.record["parts"].items():
        log(f"{key}: {', '.join(f'{name} {value}' for name, value in facts.items())}")
    try:
        current.execute()
    finally:  # also of a run that could not be written in the end
        try:
            if current.results is not None:
                _print_results(current.results)
        finally:
            log(f"run folder: {current.folder}")


def _print_results(results: Results) -> None:
    _print_table(results.rows, results.about)
    for report in results.studies.values():
        print(f"\n{report.text()}")


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        seeds = [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds {text}: write whole numbers with commas, like 0,1,2") from None
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {text}: a seed stands here twice")
    return seeds


def _summary(plan: Plan) -> str:
    cached = sum(stage.cached(plan.store) for stage in plan.stages)
    return f"{len(plan.stages)} stages, {cached} cached (store {plan.store.root})"


def _print_plan(plan: Plan) -> None:
    """One line a stage; all shards of a split on one line."""
    several = len(plan.experiments) > 1
    lines: dict[tuple[int | None, str], list[tuple[str, bool]]] = {}
    for stage in plan.stages:
        label = stage.name.split(" ")[0]
        state = (stage.key, stage.cached(plan.store))
        lines.setdefault((stage.seed, label), []).append(state)
    print(f"store {plan.store.root}")
    for (seed, label), states in lines.items():
        cached = sum(done for _, done in states)
        key, word = states[0][0], "cached" if cached else "to do"
        if len(states) > 1:
            key, word = (
                f"{key} … ({len(states)} shards)",
                f"{cached} cached, {len(states) - cached} to do",
            )
        owner = "all seeds" if seed is None else f"seed {seed}"
        name = f"{owner:<9}  {label}" if several else label
        print(f"{name:<36} {key:<38} {word}")


def _print_table(rows: list[dict[str, Any]], about: str) -> None:
    from tina_kit.report.table import HEADER, caption, cells, plain_text

    if not sys.stdout.isatty():
        print(plain_text(rows))
        print(caption(rows, about))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for index, head in enumerate(HEADER):
        table.add_column(head, justify="left" if index == 0 else "right")
    for line in cells(rows):
        table.add_row(*(Text(printable(cell)) for cell in line))  # no markup, as in "[red]"
    console = Console(file=raw(sys.stdout))
    console.print(table)
    console.print(Text(printable(caption(rows, about), lines=True)), style="dim", highlight=False)

"""`run`: from a recipe to a results table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    registry,
    show_warnings,
    user_paths,
)
from tina_kit.cli.terminal import raw
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.run import Run
    from tina_kit.report.table import Table


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
    from tina_kit import library

    show_warnings()
    found = registry(plugin or (), strict)
    plan = library.plan_with(
        found, recipe, profile, set_ or (), _seeds(seeds), device, plugin or (), None
    )
    if dry_run:
        _print_plan(plan)
        return
    current = library.start(plan, found, output)
    _announce(current)
    try:
        current.execute()
    finally:  # even if the results could not be written in the end
        try:
            if current.results is not None:
                _print_table(current.results.table)
                for study in current.results.studies.values():
                    print(f"\n{study.text()}")
        finally:
            log(f"run folder: {current.folder}")


def _announce(run: Run) -> None:
    """What there is to do, and what a reader should know of it."""
    plan, recipe = run.plan, run.plan.recipe
    if recipe.core.zoo is not None and recipe.says("tasks", "id"):
        told = f"{recipe.where('tasks', 'id')}: tasks.id has no effect"
        log(f"warning: {told}: the tasks of {recipe.core.zoo} are the ID tasks")
    log(f"{recipe.core.name}: {_summary(plan)}")
    for key, facts in run.record["components"].items():
        log(f"{key}: {', '.join(f'{name} {value}' for name, value in facts.items())}")


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        seeds = [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds {text}: write whole numbers with commas, like 0,1,2") from None
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {text}: duplicate seed")
    return seeds


def _summary(plan: Plan) -> str:
    cached = sum(stage.cached for stage in plan.stages)
    return f"{len(plan.stages)} stages, {cached} cached (store {plan.store.root})"


def _print_plan(plan: Plan) -> None:
    """One line a stage; all shards of a split on one line."""
    several = len(plan.experiments) > 1
    lines: dict[tuple[int | None, str], list[tuple[str, bool]]] = {}
    for stage in plan.stages:
        label = stage.name.split(" ")[0]
        state = (stage.key, stage.cached)
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


def _print_table(results: Table) -> None:
    if not sys.stdout.isatty():
        print(results)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tina_kit.report.table import HEADER, cells

    table = Table()
    for index, head in enumerate(HEADER):
        table.add_column(head, justify="left" if index == 0 else "right")
    for line in cells(results.rows):
        table.add_row(*(Text(printable(cell)) for cell in line))  # no markup, as in "[red]"
    console = Console(file=raw(sys.stdout))
    console.print(table)
    console.print(Text(printable(results.caption, lines=True)), style="dim", highlight=False)

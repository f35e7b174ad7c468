"""`run`: from a recipe to a results table."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tina_kit.api.errors import UserError
from tina_kit.api.messages import wrapped
from tina_kit.cli.common import registry, seeds_of, show_warnings
from tina_kit.cli.layout import print_json, print_rows, print_table, print_wrapped, width
from tina_kit.cli.options import (
    Device,
    PluginFiles,
    Profile,
    RecipeFile,
    Seeds,
    Sets,
    Strict,
    Track,
    user_paths,
)
from tina_kit.cli.ranks import follow_first, is_rank, ranks_here, start_ranks
from tina_kit.pipeline.console import log
from tina_kit.pipeline.workers.early import import_early
from tina_kit.pipeline.workers.threads import threads_of

if TYPE_CHECKING:
    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.results import Results
    from tina_kit.pipeline.run import Run
    from tina_kit.pipeline.stage import Stage


def run(
    recipe: RecipeFile,
    set_: Sets = None,
    profile: Profile = None,
    seeds: Seeds = None,
    device: Device = "auto",
    devices: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Train on N devices of this machine at once: CUDA GPUs, or cores of a CPU.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Folder to create the run folder in.", callback=user_paths
        ),
    ] = Path("runs"),
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the stages, their keys and which are cached, without running any.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: print the stages as JSON.")
    ] = False,
    track: Track = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Compute stages that do not need each other side by side, in N processes. Each "
            "has OMP_NUM_THREADS threads, or else an equal share of the cores.",
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ray[://ADDRESS]",
            help="Compute the stages on a Ray cluster; all machines must share the store.",
        ),
    ] = None,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going", help="If a stage fails, compute all that does not need its result."
        ),
    ] = False,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Run a recipe and print its results table.

    To resume a run that was stopped, run the same command again. It gives identical results if the
    number of threads (OMP_NUM_THREADS), the hardware and the version of torch are the same.

    Example: tina-kit run quickstart --profile smoke --set generic.epochs=2
    """
    from tina_kit import library
    from tina_kit.pipeline.run_folders import REPORT
    from tina_kit.plugins.trackers import trackers

    if as_json and not dry_run:
        raise UserError("--json: give it with --dry-run; a run writes results.json")
    if ((devices or 1) > 1 or is_rank()) and (workers or on):
        raise UserError(
            "--devices and torchrun divide each training among ranks, --workers and --on divide a "
            "run's stages among processes: give only one of them"
        )
    if (devices or 1) > 1 and not (dry_run or is_rank()):
        sys.exit(start_ranks(devices or 1, device))  # the first rank has said why
    ranks = ranks_here(devices, device)
    if (workers or 1) > 1 and not (on or dry_run):
        import_early(threads_of(os.cpu_count() or 1, workers or 1))
    show_warnings()
    found = registry(plugin or (), strict)
    trackers(found, track or ())  # a wrong name is a mistake to be told before anything else
    plan = library.plan_with(
        found, recipe, profile, set_ or (), seeds_of(seeds), device, plugin or (), None, ranks
    )
    if as_json:
        print_json(plan.facts())
        return
    if dry_run:
        _print_plan(plan)
        return
    if ranks is not None and not ranks.first:
        raise typer.Exit(follow_first(plan))

    from tina_kit.pipeline.following import dismiss, lead
    from tina_kit.pipeline.workers.team import team_of

    lead(plan)
    with team_of(workers, on) as team:
        current = library.start(plan, found, output, track or ())
        _announce(current)
        try:
            current.execute(team, keep_going)
            dismiss(plan)
        finally:  # even if the results could not be written in the end
            try:
                if current.results is not None:
                    _print_results(current.results)
                    sys.stdout.flush()  # before what follows on stderr
            finally:
                log(f"run folder: {current.folder}")
    log(f"report: {current.folder / REPORT}")
    if _can_be_served(current):
        log(f"to try it in a browser: tina-kit serve {shlex.quote(str(current.folder))}")


def _can_be_served(run: Run) -> bool:
    """Whether a generator of the run answers class names."""
    experiment = run.plan.experiments[0]
    flags = [experiment.row(named).flags for named in experiment.recipe.generators]
    return any(
        each.reads_conditions and each.prompts == "text" and not (each.personalises or each.id_only)
        for each in flags
    )


def _announce(run: Run) -> None:
    """What there is to do, and what a reader should know of it."""
    plan, recipe = run.plan, run.plan.recipe
    if recipe.core.zoo is not None and recipe.says("tasks", "id"):
        place = f"{recipe.where('tasks', 'id')}: tasks.id has no effect"
        log(f"warning: {place}: the tasks of {recipe.core.zoo} are the ID tasks")
    log(f"{recipe.core.name}: {_summary(plan)}")
    for key, facts in run.record["components"].items():
        log(f"{key}: {', '.join(f'{name} {value}' for name, value in facts.items())}")


def _summary(plan: Plan) -> str:
    cached = sum(stage.cached for stage in plan.stages)
    return f"{len(plan.stages)} stages, {cached} cached (store {plan.store.place})"


def _print_plan(plan: Plan) -> None:
    """A line for each stage; all shards of a split on one."""
    groups: dict[tuple[int | None, str], list[Stage]] = {}
    for stage in plan.stages:
        groups.setdefault((stage.seed, stage.group), []).append(stage)
    table = [("cached", "key", "stage")]
    for (seed, name), stages in groups.items():
        cached = sum(stage.cached for stage in stages)
        state, key = "yes" if cached else "no", stages[0].key
        if len(stages) > 1:
            state, key, name = f"{cached} of {len(stages)}", f"{key} …", f"{name} (shards)"
        if len(plan.experiments) > 1 and seed is not None:
            name = f"{name}, seed {seed}"
        table.append((state, key, name))
    print_wrapped(_summary(plan))
    print_rows(table)


def _print_results(results: Results) -> None:
    print_table(results.table)
    for study in results.studies.values():
        print()
        print_wrapped(study.title)
        for line in study.lines(width()):
            print(line)
        print_wrapped(study.caption(), faint=True)
        if study.note:
            print_wrapped(study.note, faint=True)
    if results.diagnosis:
        print()
        print("diagnosis")
    for finding in results.diagnosis:
        for line in wrapped(str(finding), width(), "- ", "  "):
            print(line)

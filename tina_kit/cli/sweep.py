"""`sweep`: many runs of one recipe, to choose options by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli.common import registry, seeds_of, show_warnings
from tina_kit.cli.layout import print_wrapped, width
from tina_kit.cli.options import (
    Device,
    PluginFiles,
    Profile,
    RecipeFile,
    Seeds,
    Strict,
    Track,
    user_paths,
)
from tina_kit.pipeline.console import log


def sweep(
    recipe: RecipeFile,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUES",
            help="Values of one key, separated by commas, for example "
            "generators.tina-dit.depth=2,4,6; lists in brackets: widths=[8,16],[16,32]; with "
            "--random and --search also a range: steps=100..900, learning_rate=log:1e-4..1e-2. "
            "May be repeated.",
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option("--random", metavar="N", help="Draw N points instead of running all."),
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(
            "--search",
            metavar="N",
            help="Have Optuna choose N points from those before, and stop hopeless ones early.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="INTEGER", help="Seed of --random and --search.")
    ] = 0,
    row: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The generator whose p-Acc counts (default: the one varied)."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the sweep's folder (default: one of its own)."),
    ] = None,
    profile: Profile = None,
    seeds: Seeds = None,
    device: Device = "auto",
    output: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Folder to create the sweep's folder in.", callback=user_paths
        ),
    ] = Path("sweeps"),
    track: Track = None,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Run a recipe with every combination of some values, on validation images and tasks.

    Test images and the OOD tasks of a run on them are never looked at. Points share the stages
    that they have in common. To resume a sweep that was stopped, run the same command again.

    Example: tina-kit sweep quickstart --profile smoke --set generators.tina-dit.depth=1,2
    """
    from tina_kit import library
    from tina_kit.sweeps.outcome import Outcome

    show_warnings()
    made = library.sweep_with(
        registry(plugin or (), strict),
        recipe,
        set_ or (),
        random=random,
        search=search,
        seed=seed,
        row=row,
        profile=profile,
        seeds=seeds_of(seeds),
        name=name,
        output=output,
        device=device,
        plugins=plugin or (),
        observers=None,
        track=track or (),
    )
    try:
        made.work()
        outcome = Outcome(made.record)
        for line in outcome.lines(width()):
            print(line)
        print_wrapped(outcome.caption, faint=True)
        log(f"the best point on test images: {outcome.command}")
    finally:
        log(f"sweep folder: {made.record.folder}")

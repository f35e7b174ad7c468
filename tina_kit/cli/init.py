"""`init`: a recipe for one's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli import complete
from tina_kit.cli.common import Sets, Strict, registry, user_paths
from tina_kit.pipeline.console import log


def init(
    images: Annotated[
        Path | None,
        typer.Argument(
            help="A folder that holds a folder of images for each class (or train/CLASS/ and "
            "test/CLASS/). Without it, images are drawn.",
            callback=user_paths,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The new recipe (default: named after the folder of images).",
            callback=user_paths,
        ),
    ] = None,
    set_: Sets = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", autocompletion=complete.devices)
    ] = "auto",
    strict: Strict = False,
) -> None:
    """Look at your images and write a recipe that fits them and this machine.

    Options of the data set are given as --set dataset.OPTION=VALUE.
    """
    found = registry(strict=strict)

    from tina_kit.pipeline.estimate import table, total
    from tina_kit.scaffold.comments import run_command
    from tina_kit.scaffold.recipe import write_recipe

    made = write_recipe(
        images,
        found,
        output=output,
        sets=set_ or (),
        device=device,
        say=log,
    )
    log(f"Wrote {made.path}. A run takes about {total(made.costs)} on this machine:")
    for line in table(made.costs):
        log(f"  {line}")
    print(f"{run_command(made.path)} --profile smoke")
    print(run_command(made.path))

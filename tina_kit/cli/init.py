"""`init`: a recipe for one's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli.common import registry
from tina_kit.cli.options import Device, Sets, Strict, user_paths
from tina_kit.pipeline.console import log


def init(
    images: Annotated[
        Path | None,
        typer.Argument(
            metavar="IMAGES",
            help="A folder that contains one folder of images per class (or train/CLASS/ and "
            "test/CLASS/). Without it, the recipe draws its own images.",
            callback=user_paths,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The recipe to write (default: named after the folder of images).",
            callback=user_paths,
        ),
    ] = None,
    set_: Sets = None,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Write a recipe that fits your images and this machine.

    Set options of the data set with --set dataset.OPTION=VALUE.

    Example: tina-kit init ~/photos -o photos.yaml
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

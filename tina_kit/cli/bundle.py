"""`bundle`: a generator as one file that answers anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli.common import RunFolder, Seed, open_run, user_paths
from tina_kit.pipeline.console import log


def bundle(
    run: RunFolder,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The bundle to write, as a rule named *.tina.",
            callback=user_paths,
        ),
    ],
    generator: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The generator to bundle (default: the run's first that reads class names).",
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="The licence of the data, for the card.")
    ] = "",
    seed: Seed = None,
) -> None:
    """Write a generator of a finished run to one file that answers anywhere.

    The bundle holds all that `generate` needs: neither the store nor the images nor the recipe. Its
    p-Models are those of the run folder, to the last bit. Nothing in it is code: plugins that it
    needs must be installed where it is used.

    Example: tina-kit bundle runs/quickstart/RUN -o shapes.tina
    """
    from tina_kit.library import bundle as bundled

    done = bundled(open_run(run, "cpu"), output, generator=generator, seed=seed, licence=licence)
    for note in done.notes:
        log(f"note: {note}")
    log(f"{output}: {done.size:,} bytes, {done.generator}")
    log(f'to use it: tina-kit generate {output} --classes "…, …" -o mine.safetensors')

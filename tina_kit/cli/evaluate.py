"""`evaluate`: how right a p-Model is on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.api.errors import UserError
from tina_kit.cli.common import show_warnings
from tina_kit.cli.layout import print_json, print_wrapped, width
from tina_kit.cli.options import Device, Json, ModelFile, user_paths
from tina_kit.pipeline.console import log


def evaluate(
    model: ModelFile,
    images: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="A folder with a folder of images per class, named after the class. If it is "
            "split into train and test (or val), the latter is taken.",
            callback=user_paths,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Instead of DIR: the folder of a finished run, for its own test images.",
            callback=user_paths,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the confusion matrix to a PNG file.", callback=user_paths
        ),
    ] = None,
    mistakes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the worst mistakes, with the images, to a PNG file.",
            callback=user_paths,
        ),
    ] = None,
    as_json: Json = False,
    device: Device = "auto",
) -> None:
    """Measure a p-Model on labelled images.

    Prints its accuracy with a 95% interval, that of each class, and which classes it takes for
    which. Images of a run's own data set count as the run counted them with --run; a folder of all
    its images also holds those that the run was trained on, which are easier.

    Example: tina-kit evaluate mine.safetensors my_images --mistakes mistakes.png
    """
    if (images is None) == (run is None):
        raise UserError("give either DIR or --run: the images to test the p-Model on")
    for option, path in (("--plot", plot), ("--mistakes", mistakes)):
        _check(option, path)
    show_warnings()

    from tina_kit.cli.common import open_run
    from tina_kit.library import evaluate as evaluated

    opened = None if run is None else open_run(run, device)
    found = evaluated(model, images, run=opened, device=device)
    if as_json:
        print_json(found.plain())
    else:
        for line in found.lines(width()):
            print(line)
        print_wrapped(found.caption, faint=True)

    from tina_kit.report.judged_plot import confusion_png, mistakes_png
    from tina_kit.store.output import write_output

    for path, drawn in ((plot, confusion_png), (mistakes, mistakes_png)):
        if path is not None:
            write_output(path, drawn(found))
            log(f"{path}: written")


def _check(option: str, output: Path | None) -> None:
    """Raise UserError unless a PNG can be written, before anything long begins."""
    from tina_kit.store.output import check_output, is_stream

    if output is None:
        return
    if output.suffix.lower() != ".png" and not is_stream(output):
        raise UserError(f"{option} {output}: the file's name must end in .png")
    check_output(output)

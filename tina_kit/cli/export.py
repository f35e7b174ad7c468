"""`export`: p-Models for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.api.errors import UserError
from tina_kit.cli.common import show_warnings
from tina_kit.cli.options import ModelFile, OutputFile, user_paths
from tina_kit.pipeline.console import log

_SUFFIXES = {
    "onnx": ".onnx",
    "torch-export": ".pt2",
    "safetensors": ".safetensors",
    "html": ".html",
}


def export(
    model: ModelFile,
    output: OutputFile,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="onnx, torch-export, safetensors or html (default: by FILE's suffix: .onnx, .pt2, "
            ".safetensors or .html).",
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise weights to 8 bits; for onnx alone.")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Images to check the file on (default: generated ones). With a folder per class, "
            "its accuracy is reported beside the p-Model's.",
            callback=user_paths,
        ),
    ] = None,
) -> None:
    """Export a p-Model for other programs.

    Resizing, normalisation and class names are inside: the file takes uint8 RGB images (N, 3, H, W)
    of any size and gives probabilities. Before it is written, it answers a number of images, and
    must answer as the p-Model does (to 1e-5, but for --int8). ONNX needs the extra `export`: pip
    install 'tina-kit[export]'.

    A page (html) classifies images in a browser, with nothing to install and no network; for plain
    networks like the architecture cnn. If node is installed, its script is run for the check.

    Example: tina-kit export mine.safetensors -o mine.onnx
    """
    form = format_ or next((f for f, end in _SUFFIXES.items() if output.suffix == end), None)
    if form not in _SUFFIXES:
        what = (
            f"--format {format_}: unknown format."
            if format_
            else f"--output {output}: unknown suffix."
        )
        raise UserError(f"{what} Give --format {', '.join(_SUFFIXES)}")
    show_warnings()

    from tina_kit.library import export as exported

    done = exported(model, output, format=form, images=images, int8=int8)  # type: ignore[arg-type]
    log(f"{output}: {done.text}")

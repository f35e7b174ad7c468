"""`predict`: what a p-Model says about images."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import typer

from tina_kit.api.errors import UserError
from tina_kit.cli.common import show_warnings
from tina_kit.cli.layout import print_json, width
from tina_kit.cli.options import Device, Json, ModelFile

_AT_ONCE = 100  # rows whose columns are aligned with each other


def predict(
    model: ModelFile,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help='Image files, folders (with all their subfolders), or patterns: "photos/*.jpg".',
        ),
    ],
    top: Annotated[
        int,
        typer.Option(
            "--top", metavar="K", min=1, help="Print the K most probable classes of each image."
        ),
    ] = 1,
    reject: Annotated[
        bool,
        typer.Option(
            "--reject",
            help="Answer 'none of these' for images below the p-Model's threshold, which its run "
            "must have measured (evaluation.rejection).",
        ),
    ] = False,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for tables.")] = False,
    device: Device = "auto",
) -> None:
    """Classify images with a p-Model.

    Prints the most probable class of each image and its probability in percent, which is the
    p-Model's own and not calibrated.

    Example: tina-kit predict mine.safetensors photo.jpg --top 3
    """
    if as_json and as_csv:
        raise UserError("give either --json or --csv")
    show_warnings()

    from tina_kit.library import predict as predicted

    rows = predicted(model, images, top=top, reject=reject, device=device)
    if as_json:
        print_json(list(rows))
    elif as_csv:
        _print_csv(rows)
    else:
        _print_table(rows)


def _print_table(rows: Iterator[Mapping[str, Any]]) -> None:
    from tina_kit.api.messages import printable
    from tina_kit.report.table import text_lines

    head = True
    while some := list(islice(rows, _AT_ONCE)):
        most = len(some[0]["top"])
        names = ["image", "class", "%", *["class", "%"] * (most - 1)]
        cells = [
            (
                printable(row["image"]),
                *_answers(row),
            )
            for row in some
        ]
        lines = text_lines([names, *cells], width())
        for line in lines if head or width() is not None else lines[2:]:
            print(line)
        head = False


def _answers(row: Mapping[str, Any]) -> list[str]:
    """The cells after the image's name."""
    cells = [t for best in row["top"] for t in (best["class"], f"{100 * best['probability']:.1f}")]
    if not row.get("rejected"):
        return cells

    from tina_kit.zoo.rejection import NONE

    return [NONE, *[""] * (len(cells) - 1)]


def _print_csv(rows: Iterator[Mapping[str, Any]]) -> None:
    writer, head = csv.writer(sys.stdout, lineterminator="\n"), False
    for row in rows:
        if not head:
            count = range(1, len(row["top"]) + 1)
            names = [name for n in count for name in (f"class_{n}", f"probability_{n}")]
            writer.writerow(["image", *names, *(["rejected"] if "rejected" in row else [])])
            head = True
        found = [value for best in row["top"] for value in (best["class"], best["probability"])]
        told = [str(row["rejected"]).lower()] if "rejected" in row else []
        writer.writerow([row["image"], *found, *told])

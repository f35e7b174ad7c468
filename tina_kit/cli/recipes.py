"""`recipes`: those that come with tina-kit."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli import complete
from tina_kit.cli.common import user_paths

app = typer.Typer(
    help="List the recipes that come with tina-kit, and copy them to edit.", rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def recipes(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the recipes that come with tina-kit; `tina-kit run NAME` runs one.

    Times are those of the recipe without a profile, on two CPU cores, from an empty store.
    """
    if ctx.invoked_subcommand is not None:
        return
    from tina_kit.recipe.catalogue import catalogue

    found = catalogue()
    if as_json:
        facts = [{**vars(each), "path": str(each.path)} for each in found]
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    rows = [("name", "data set", "time", "")]
    rows += [(each.name, each.dataset, each.time or "-", each.description) for each in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("  ".join([*cells, row[3]]).rstrip())


@app.command()
def copy(
    name: Annotated[
        str, typer.Argument(help="The name of a recipe.", autocompletion=complete.shipped)
    ],
    folder: Annotated[
        Path, typer.Argument(help="Folder to copy it to.", callback=user_paths)
    ] = Path("."),
) -> None:
    """Copy a recipe to edit it.

    What it extends is written out, so that the copy runs by itself.
    """
    from tina_kit.recipe.catalogue import copy_recipe

    print(f"tina-kit run {shlex.quote(str(copy_recipe(name, folder)))}")

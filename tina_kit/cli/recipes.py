"""`recipes`: those that come with tina-kit."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli import complete
from tina_kit.cli.layout import print_json, print_rows
from tina_kit.cli.options import Json, user_paths

app = typer.Typer(
    help="List the recipes that come with tina-kit, or copy one.", rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def recipes(
    ctx: typer.Context,
    as_json: Json = False,
) -> None:
    """List the recipes that come with tina-kit, or copy one.

    `tina-kit run NAME` runs one of them.

    Times are of the recipe without a profile, on two CPU cores, starting with an empty store.
    """
    if ctx.invoked_subcommand is not None:
        return
    from tina_kit.recipe.catalogue import catalogue

    found = catalogue()
    if as_json:
        facts = [{**vars(each), "path": str(each.path)} for each in found]
        print_json(facts)
        return
    heads = ("name", "data set", "time", "content")
    print_rows([heads, *((r.name, r.dataset, r.time or "-", r.description) for r in found)])


@app.command()
def copy(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The name of a recipe that comes with tina-kit.",
            autocompletion=complete.shipped,
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder to copy it to.", callback=user_paths)
    ] = Path("."),
) -> None:
    """Copy a recipe in order to edit it.

    The recipes that it extends are merged into the copy, which needs no other file.
    """
    from tina_kit.recipe.catalogue import copy_recipe

    print(f"tina-kit run {shlex.quote(str(copy_recipe(name, folder)))}")

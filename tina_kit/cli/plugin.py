"""`plugin`: scaffold one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli import complete
from tina_kit.cli.complete import PLUGIN_KINDS
from tina_kit.cli.group import Group
from tina_kit.cli.options import user_paths
from tina_kit.pipeline.console import log

app = typer.Typer(
    cls=Group, help="Write plugins of your own.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def plugin() -> None:
    """Write plugins of your own."""


@app.command()
def new(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The plugin's name: lower-case words joined by hyphens."
        ),
    ],
    kind: Annotated[
        list[str],
        typer.Option(
            metavar="KIND",
            help=f"A kind of component to scaffold: {', '.join(PLUGIN_KINDS)}. May be repeated.",
            autocompletion=complete.kinds_of_a_plugin,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Folder to create the plugin's folder in.", callback=user_paths
        ),
    ] = Path("."),
) -> None:
    """Scaffold a working plugin package.

    It contains a small example of each kind, tests and a recipe.

    Example: tina-kit plugin new my-ideas --kind generator --kind tokenizer
    """
    from tina_kit.plugins.registry import known_kind
    from tina_kit.scaffold import write_plugin

    kinds = list(dict.fromkeys(known_kind(each, PLUGIN_KINDS) for each in kind))
    folder = write_plugin(name, kinds, output)
    log(f"{folder}: {', '.join(kinds)}")
    print(f"cd {folder}")
    print("pip install -e '.[test]'")
    print("pytest")
    print(f"tina-kit run recipes/{name}.yaml --profile smoke")

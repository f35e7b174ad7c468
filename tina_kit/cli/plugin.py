"""`plugin`: write one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli import complete
from tina_kit.cli.common import user_paths
from tina_kit.cli.complete import PLUGIN_KINDS
from tina_kit.cli.inspect import known_kind
from tina_kit.pipeline.console import log

app = typer.Typer(help="Plugins of your own.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def plugin() -> None:
    """Plugins of your own."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Lower-case words joined by hyphens.")],
    kind: Annotated[
        list[str],
        typer.Option(
            help=f"One of {', '.join(PLUGIN_KINDS)}; give it again for each further kind.",
            autocompletion=complete.kinds_of_a_plugin,
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="Where to create its folder.", callback=user_paths)
    ] = Path("."),
) -> None:
    """Write a plugin package with a small working example of each kind, its tests and a recipe."""
    from tina_kit.scaffold import write_plugin

    kinds = list(dict.fromkeys(known_kind(each, PLUGIN_KINDS) for each in kind))
    folder = write_plugin(name, kinds, output)
    log(f"{folder}: {', '.join(kinds)}")
    print(f"cd {folder}")
    print("pip install -e '.[test]'")
    print("pytest")
    print(f"tina-kit run recipes/{name}.yaml --profile smoke")

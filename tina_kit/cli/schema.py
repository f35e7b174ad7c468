"""`schema`: what an editor needs to complete and check recipes. Never imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli.common import registry
from tina_kit.cli.options import PluginFiles, Strict, user_paths
from tina_kit.pipeline.console import log


def schema(
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The file to write (default: print the schema).",
            callback=user_paths,
        ),
    ] = None,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Write a JSON Schema of recipes with all installed components.

    An editor with a YAML language server then completes and checks a recipe that starts with
    `# yaml-language-server: $schema=FILE`. Write the schema again after installing plugins.
    """
    from tina_kit.recipe.json_schema import recipe_schema
    from tina_kit.store.output import check_output, is_stream, write_output

    if output is not None:
        check_output(output)
    found = registry(plugin or (), strict)
    text = json.dumps(recipe_schema(found, log), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        print(text, end="")
        return
    write_output(output, text.encode())
    if not is_stream(output):
        log(f"to use it, start a recipe with: # yaml-language-server: $schema={output}")

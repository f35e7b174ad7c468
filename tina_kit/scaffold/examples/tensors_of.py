from pathlib import Path
from typing import Annotated

import typer
from safetensors import SafetensorError, safe_open
from tina_kit.api import UserError, hookimpl


def tensors_of(file: Annotated[Path, typer.Argument(help="A .safetensors file.")]) -> None:
    """List the tensors of a file, such as a p-Model, with their shapes."""
    try:
        with safe_open(file, framework="numpy") as opened:
            for name in opened.keys():
                print(f"{name}  {tuple(opened.get_slice(name).get_shape())}")
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be read ({error}); name a .safetensors file") from None


@hookimpl
def tina_kit_commands(app: typer.Typer) -> None:
    app.command()(tensors_of)

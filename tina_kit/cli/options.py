"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tina_kit.api.errors import UserError
from tina_kit.api.paths import user_path
from tina_kit.cli import complete

STRICT = "TINA_KIT_STRICT_PLUGINS"


def user_paths(param: typer.CallbackParam, value: Any) -> Any:
    """The callback of every option and argument that is a path, or a list of paths."""
    label = f"{max(param.opts, key=len)} " if param.param_type_name == "option" else ""
    try:
        if isinstance(value, Path):
            return user_path(value)
        # Older versions of typer convert what is returned here once more, and no list to None.
        several = param.multiple or param.nargs == -1
        return [user_path(path) for path in value or ()] if several else value
    except UserError as error:
        raise UserError(f"{label}{error}") from None


RecipeFile = Annotated[
    Path,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe file (YAML), or the name of a recipe that comes with tina-kit.",
        callback=user_paths,
        autocompletion=complete.recipes,
    ),
]
RunFolder = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="The folder of a finished run.", callback=user_paths),
]
AnyRun = Annotated[
    Path, typer.Argument(metavar="RUN", help="The folder of a run.", callback=user_paths)
]
RunOrBundle = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="The folder of a finished run, or a bundle.", callback=user_paths
    ),
]
GeneratorName = Annotated[
    str | None,
    typer.Option(
        "--generator",
        metavar="NAME",
        help="The run's generator to use (default: its first for this kind of prompt).",
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Allow a bundle to contact a server, which then sees your class names."
    ),
]
ModelFile = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A p-Model's file, as `generate` writes it.",
        callback=user_paths,
        autocompletion=complete.models,
    ),
]
OutputFile = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="FILE", help="The file to write.", callback=user_paths),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one value of the recipe, for example generators.tina-dit.depth=3. "
        "May be repeated.",
        autocompletion=complete.settings,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Apply one of the recipe's profiles, a named set of overrides.",
        autocompletion=complete.profiles,
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="NAME",
        help="Also log to a tracker: tensorboard, mlflow, wandb or trackio. May be repeated; "
        "TINA_KIT_TRACK names trackers for every run.",
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="SEEDS",
        help="Seeds, separated by commas: 0,1,2 (default: the recipe's).",
    ),
]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="A Python file with components of your own, which is run. May be repeated.",
        callback=user_paths,
        autocompletion=complete.files,
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict-plugins", help=f"Fail if a plugin fails. {STRICT}=1 does the same."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Seed = Annotated[
    int | None,
    typer.Option(metavar="INTEGER", help="Seed of the run to use (default: the run's first)."),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="Device to compute on: auto, cpu, cuda, cuda:1 or mps.",
        autocompletion=complete.devices,
    ),
]

"""`zoo`: zoos of p-Models as folders, from a run or from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tina_kit.cli.common import open_run, registry
from tina_kit.cli.group import Group
from tina_kit.cli.layout import print_json, print_wrapped, width
from tina_kit.cli.options import Json, RunFolder, Seed, user_paths
from tina_kit.cli.stored import plural
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.zoo.archive import ZooArchive

app = typer.Typer(
    cls=Group,
    help="Export, import and describe zoos of p-Models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="FOLDER",
        help="Folder to write the zoo to; must not exist yet.",
        callback=user_paths,
    ),
]


@app.command()
def export(
    run: RunFolder,
    output: Output,
    seed: Seed = None,
) -> None:
    """Export the ID tasks and p-Models of a finished run.

    A recipe that says `zoo: FOLDER` learns from them.
    """
    from tina_kit.zoo.archive import check_place

    check_place(output)
    experiment = open_run(run, "cpu").experiment(seed)

    from tina_kit.pipeline.export import exported_zoo

    _write(exported_zoo(experiment), output)


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A zoo's folder, or a folder of PyTorch checkpoints.",
            callback=user_paths,
        ),
    ],
    output: Output,
    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The architecture of the p-Models, one of those of `tina-kit list architecture`.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set one option of the architecture, for example widths=[16,32]. May be repeated.",
        ),
    ] = None,
) -> None:
    """Make a zoo from p-Models that were trained elsewhere.

    Everything is checked before the zoo is written, and no code in a file is run. Every .pt, .pth,
    .bin, .ckpt, .pkl and .safetensors file of SOURCE and its subfolders is one p-Model. The classes
    of DIR/NAME.pth, in the order of its logits, are read from DIR/NAME.json (a list), DIR/NAME.txt
    (one name per line) or a classes.json: in DIR (NAME → list) or in SOURCE (DIR/NAME → list).
    Tensors are matched by name, at any depth in the file and with any common prefix. The log lists
    what is left out.
    """
    from tina_kit.zoo.archive import check_place

    check_place(output)

    from tina_kit.zoo.importing import imported

    _write(imported(source, registry(), architecture, set_ or (), log), output)


@app.command()
def show(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A zoo's folder.", callback=user_paths)
    ],
    as_json: Json = False,
) -> None:
    """Describe a zoo.

    Prints its tasks and classes, its architecture and origin, and the parameters of each layer.
    """
    from tina_kit.report.table import text_lines
    from tina_kit.zoo.archive import read
    from tina_kit.zoo.summary import summary

    facts = summary(read(folder))
    if as_json:
        print_json(facts)
        return
    fewest, most = facts["classes_of_a_task"]
    rare, common = facts["occurrences"]
    sizes = f"{most}" if fewest == most else f"{fewest} to {most}"
    print_wrapped(f"{folder}: {facts['p_models']:,} p-Models of {sizes} classes")
    times = f"{rare} ({facts['rarest']}) to {common} ({facts['commonest']})"
    often = plural(rare, "task") if rare == common else f"{times} tasks"
    print_wrapped(f"classes: {facts['classes']}, each in {often}")
    print_wrapped(f"architecture: {_words(facts['architecture'])}")
    print_wrapped(f"origin: {_words(facts['origin']) or 'unknown'}")
    print(f"parameters: {facts['parameters']:,}")
    heads = ("  layer", "entries", "mean", "spread over p-Models")
    table = [
        (f"  {r['layer']}", f"{r['parameters']:,}", f"{r['mean']:.4f}", f"{r['spread']:.4f}")
        for r in facts["layers"]
    ]
    for line in text_lines([heads, *table], width()):
        print(line)


def _write(archive: ZooArchive, output: Path) -> None:
    from tina_kit.zoo.archive import write

    write(archive, output)
    log(
        f"{output}: {len(archive.tasks):,} p-Models of {archive.layout.size:,} parameters, "
        f"{len(archive.class_names)} classes"
    )
    log(f"in a recipe: zoo: {output}")


def _words(facts: dict[str, Any]) -> str:
    return ", ".join(f"{key} {json.dumps(value)}" for key, value in facts.items())

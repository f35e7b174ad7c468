"""`zoo`: zoos of p-Models as folders, from a run or from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tina_kit.api.errors import UserError
from tina_kit.api.messages import abridged
from tina_kit.cli.common import Json, RunFolder, Seed, open_run, registry, user_paths
from tina_kit.cli.group import Group
from tina_kit.cli.layout import print_wrapped, width
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.recipe import ResolvedComponent
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
TOLD = 10  # names of what is left out


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
    from tina_kit.zoo.archive import MANIFEST, check_place

    if not source.is_dir():
        raise UserError(f"{source}: no such folder")
    check_place(output)
    if set_ and architecture is None:
        raise UserError("--set: give the --architecture whose option it is")
    part = None if architecture is None else _architecture(architecture, set_ or ())
    if (source / MANIFEST).exists():
        archive = _copied(source, part)
    elif part is None:
        raise UserError(
            f"{source}: there is no {MANIFEST} that says what the p-Models are; name their "
            "--architecture"
        )
    else:
        archive = _gathered(source, part)
    _write(archive, output)


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
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    fewest, most = facts["classes_of_a_task"]
    rare, common = facts["occurrences"]
    sizes = f"{most}" if fewest == most else f"{fewest} to {most}"
    print_wrapped(f"{folder}: {facts['p_models']:,} p-Models of {sizes} classes")
    print_wrapped(
        f"classes: {facts['classes']}, each in {rare} ({facts['rarest']}) to {common} "
        f"({facts['commonest']}) tasks"
    )
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


def _architecture(name: str, sets: Sequence[str]) -> ResolvedComponent:
    from tina_kit.recipe.node import Node, RecipeError, Where
    from tina_kit.recipe.overrides import override, parse_set
    from tina_kit.recipe.resolve import Resolver

    where = Where(f"--architecture {name}", 0, 0, Path.cwd())
    node = Node({"use": Node(name, where)}, where)
    for text in sets:
        node = override(node, *parse_set(text))
    resolver = Resolver(registry())
    part = resolver.component(node, "architecture", "architecture")
    if part is None or resolver.problems:
        raise RecipeError(resolver.problems)
    return part


def _copied(source: Path, part: ResolvedComponent | None) -> ZooArchive:
    from tina_kit.zoo.archive import MANIFEST, TENSORS, check_layout, read
    from tina_kit.zoo.pmodel import architecture_of

    archive = read(source)
    others = [path.name for path in source.iterdir() if path.name not in (MANIFEST, TENSORS)]
    _told(len(others), "files that do not belong to the zoo", others)
    built = architecture_of(archive.architecture, source) if part is None else part.build()
    check_layout(archive.layout, built.layout(archive.tasks.shape[1]), str(source))
    return archive


def _gathered(source: Path, part: ResolvedComponent) -> ZooArchive:
    from tina_kit.zoo.archive import ZooArchive
    from tina_kit.zoo.checkpoints import gather

    built = part.build()
    found = gather(source, built)
    _told(len(found.left_out), "files or class lists that belong to no p-Model", found.left_out)
    _told(found.ignored, "tensors that the architecture does not generate", found.ignored_names)
    if found.averaged:
        log(f"averaged weights (EMA) were taken for {found.averaged} p-Models")
    if found.by_order:
        log(
            f"the tensors of {found.by_order} p-Models have other names and were matched by their "
            "order, since all shapes agree"
        )
    origin = {
        "from": "p-Models",
        "left_out": found.ignored,
        "files_left_out": len(found.left_out),
        "matched_by_order": found.by_order,
        "averaged": found.averaged,
    }
    return ZooArchive(
        found.class_names,
        part.plain(),
        built.layout(found.tasks.shape[1]),
        found.tasks,
        found.vectors,
        origin,
    )


def _told(count: int, what: str, names: Sequence[str]) -> None:
    """Log what an import leaves out. names: of them, each once."""
    if names:
        log(f"left out: {what} ({count}): {abridged(sorted(names), TOLD)}")


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

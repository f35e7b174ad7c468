"""`runs`: runs listed, compared and kept in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.api.errors import UserError
from tina_kit.cli.common import show_warnings
from tina_kit.cli.confirm import confirm
from tina_kit.cli.group import Group
from tina_kit.cli.layout import print_csv, print_json, print_rows, print_table, print_wrapped, width
from tina_kit.cli.options import AnyRun, Json, OutputFile, user_paths
from tina_kit.pipeline.console import log
from tina_kit.report.amounts import amount

app = typer.Typer(
    cls=Group,
    help="List, compare, tag, remove, export and import runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Root = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER", help="Where to look for runs, at any depth.", callback=user_paths
    ),
]


@app.command("list")
def list_(
    folder: Root = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only runs with this name; * matches any characters."),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="Only runs with this status: running, done, failed, interrupted or killed.",
        ),
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only runs with this tag.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only runs since a date like 2026-11-01.")
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
) -> None:
    """List the runs in a folder and below, the newest first.

    A run that says that it is running, but whose process is gone, is shown as killed. The p-Acc
    is that of the best generator on OOD tasks; baselines do not count.

    Example: tina-kit runs list --status done --name "caltech*"
    """
    from tina_kit import library

    if as_json and as_csv:
        raise UserError("give either --json or --csv, not both")
    found = library.list_runs(folder, name=name, status=status, tag=tag, since=since)
    for line in found.unreadable:
        log(f"warning: {line}")
    if as_json:
        print_json(list(found))
    elif as_csv:
        print_csv(found.flat())
    elif not len(found):
        log(f"no runs in {folder}")
    else:
        for line in found.lines(width()):
            print(line)


@app.command()
def show(run: AnyRun, as_json: Json = False) -> None:
    """Show a run: how it ended, its command, versions, tags and note, and its table.

    Example: tina-kit runs show runs/quickstart/20261101-120000-0a1b2c3d
    """
    from tina_kit import library

    facts = library.describe_run(run)
    if as_json:
        print_json(facts)
        return
    from tina_kit.report.run_list import described

    print_rows(described(facts))
    if facts["results"]:
        from tina_kit.report.table import Table

        print()
        print_table(Table(facts["results"]["generators"], facts["results"]["about"]))


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Folders of finished runs, two or more. RUN:ROW chooses one generator.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the comparison as a page, FILE.html.",
            callback=user_paths,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare runs with the first: recipes, versions, data, tables and paired differences.

    Runs are compared on the tasks that they share: the same classes in the same order, with the
    same seed and the same test images. Each generator is compared with the one of the same name,
    or with the one that RUN:ROW names.

    Example: tina-kit runs compare RUN:tina RUN:tina-rows -o compared.html
    """
    from tina_kit import library

    if output is not None and output.suffix != ".html":
        raise UserError(f"--output {output}: a comparison is written as a page; name it FILE.html")
    show_warnings()
    found = library.compare(runs)
    if output is not None:
        from tina_kit.store.output import write_output

        write_output(output, found.html().encode("utf-8", "backslashreplace"))
        log(f"{output}: written")
    if as_json:
        print_json(found.facts())
        return
    for line in found.lines(width()):
        print(line)
    for paragraph in found.words():
        print()
        print_wrapped(paragraph)


@app.command("rm")
def remove(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folders of runs, one or more.", callback=user_paths),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove the folders of runs.

    Results stay in the store until `store gc`, so that a run can be repeated in seconds, and so do
    files in the folder that no run writes.
    """
    from tina_kit import library

    for run in runs:
        library.check_removable(run)
    if not yes:
        for run in runs:
            print(run)
        confirm(f"Remove {'these runs' if len(runs) > 1 else 'this run'}? [y/N] ")
    for run in runs:
        left = library.remove_run(run)
        log(f"removed: {run}")
        for path in left:
            log(f"kept: {path}, which no run writes")


@app.command()
def tag(
    run: AnyRun,
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="TAG", help="Tags to add, one or more.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="TAG", help="Remove a tag. May be repeated."),
    ] = None,
) -> None:
    """Add tags to a run, and print those that it has.

    Example: tina-kit runs tag RUN paper table-1
    """
    from tina_kit import library

    for each in library.tag_run(run, tags or (), remove=remove or ()):
        print(each)


@app.command()
def note(
    run: AnyRun,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to note; '' removes the note.")],
) -> None:
    """Write a note on a run; it replaces an earlier one.

    Example: tina-kit runs note RUN "with the new tokenizer"
    """
    from tina_kit import library

    library.note_run(run, text)
    log(f"{run}: {'note written' if text else 'note removed'}")


@app.command()
def export(
    run: AnyRun,
    output: OutputFile,
) -> None:
    """Write the folder of a finished run to one file, with its tags and note.

    `runs import` reads it on another machine, to show and compare the run there. The store's
    results stay behind: for p-Models, make a bundle.
    """
    from tina_kit import library

    show_warnings()
    log(f"{output}: {amount(library.export_run(run, output))}")


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A file from `runs export`.", callback=user_paths),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Where run folders are.", callback=user_paths
        ),
    ] = Path("runs"),
) -> None:
    """Write an exported run to a run folder, whose name is printed.

    The file need not be trusted: what no run writes is refused, and nothing in it is run.
    """
    from tina_kit import library

    print(library.import_run(file, output))

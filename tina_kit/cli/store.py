"""`store`: what lies in the store and why, and what may go."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tina_kit.api.errors import TinaKitError
from tina_kit.cli.common import registry, seeds_of, show_warnings
from tina_kit.cli.group import Group
from tina_kit.cli.layout import print_json, print_rows, print_wrapped, width
from tina_kit.cli.options import (
    Device,
    Json,
    OutputFile,
    PluginFiles,
    Profile,
    RecipeFile,
    RunFolder,
    Seeds,
    Sets,
    user_paths,
)
from tina_kit.cli.stored import plural, print_cleaning, print_results, print_usage
from tina_kit.pipeline.console import log
from tina_kit.report.amounts import amount

app = typer.Typer(
    cls=Group,
    help="Inspect the store, and remove results that are no longer needed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Stages = Annotated[
    list[str] | None,
    typer.Option(
        "--stage", metavar="STAGE", help="Only stages of this kind, like zoo. May be repeated."
    ),
]
OneRun = Annotated[
    Path | None,
    typer.Option(
        "--run", metavar="RUN", help="Only results of this run folder.", callback=user_paths
    ),
]


@app.command()
def ls(
    stage: Stages = None,
    run: OneRun = None,
    unnamed: Annotated[
        bool, typer.Option("--unnamed", help="Only what no run, bundle or pin names.")
    ] = False,
    older_than: Annotated[
        float,
        typer.Option(min=0, metavar="DAYS", help="Only results stored more than DAYS days ago."),
    ] = 0,
    larger_than: Annotated[
        float,
        typer.Option(min=0, metavar="MB", help="Only results larger than this, in megabytes."),
    ] = 0,
    sort: Annotated[
        str, typer.Option(metavar="ORDER", help="By stage, age (oldest first) or size.")
    ] = "stage",
    as_json: Json = False,
) -> None:
    """List the results in the store, and who names them."""
    from tina_kit.library import list_store

    rows = list_store(
        stages=stage or (),
        run=run,
        unnamed=unnamed,
        older_than=older_than,
        larger_than=larger_than,
        sort=sort,
    )
    if as_json:
        print_json(rows)
    else:
        print_results(rows)


@app.command()
def du(as_json: Json = False) -> None:
    """Show how much of the disk the store takes, by stage and by run.

    "alone" is what only this run, bundle or pin names: it would go with it.
    """
    from tina_kit.library import store_usage

    facts = store_usage()
    if as_json:
        print_json(facts)
    else:
        print_usage(facts)


@app.command()
def why(
    recipe: RecipeFile,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="The run folder to compare with (default: the results that are most alike).",
            callback=user_paths,
        ),
    ] = None,
    profile: Profile = None,
    set_: Sets = None,
    seeds: Seeds = None,
    device: Device = "auto",
    plugin: PluginFiles = None,
    as_json: Json = False,
) -> None:
    """Show which stages of a recipe would be computed again, and the cause of each.

    Compares what the keys are made of: settings, versions of components and stages, the content of
    files and data, the seed and the precision. Computes nothing.

    Example: tina-kit store why quickstart --profile smoke --set generic.epochs=2
    """
    from tina_kit import library

    show_warnings()
    files = plugin or ()
    found = library.why_with(
        registry(files), recipe, against, profile, set_ or (), seeds_of(seeds), device, files
    )
    if as_json:
        print_json(found.facts)
    else:
        for line in found.lines(width()):
            print(line)


@app.command()
def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Delete what a dry run shows.")] = False,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="A folder with runs of an older tina-kit, which the store does not know. May be "
            "repeated.",
            callback=user_paths,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what no run, bundle or pin names, and with --yes delete it.

    A run names its results until its folder is removed, a bundle until its file is. Runs may work
    meanwhile: what they use or write stays. If TINA_KIT_STORE is an address, only what this machine
    has of it is removed.
    """
    from tina_kit.library import clean_store

    facts = clean_store(delete=yes, runs=runs or ())
    if as_json:
        print_json(facts)
    else:
        print_cleaning(facts)
    if facts["refused"]:
        raise TinaKitError(
            f"{plural(len(facts['refused']), 'result')} of other users were left, such as "
            f"{facts['refused'][0]}: their owner has to remove them"
        )


What = Annotated[
    str, typer.Argument(metavar="WHAT", help="A run folder, or a result as STAGE/KEY.")
]


@app.command()
def pin(what: What) -> None:
    """Keep the results of a run, or one result, even if the run folder is removed."""
    from tina_kit.library import pin as pinned

    log(f"{what}: {plural(pinned(what), 'result')} pinned")


@app.command()
def unpin(what: What) -> None:
    """No longer keep what was pinned, by `pin` or by `unpack`, which prints its name."""
    from tina_kit.library import unpin as unpinned

    unpinned(what)
    log(f"{what}: no longer pinned")


@app.command()
def verify(run: OneRun = None, as_json: Json = False) -> None:
    """Read every result in the store and compare it with its hashes."""
    from tina_kit.library import verify_store

    rows = list(verify_store(run=run))
    wrong = [row for row in rows if row["problem"]]
    if as_json:
        print_json(rows)
    else:
        print_rows([(f"{row['stage']}/{row['key']}", row["problem"]) for row in wrong])
        size = amount(sum(row["bytes"] for row in rows))
        print_wrapped(f"{plural(len(rows), 'result')}, {size}: {len(wrong)} damaged")
    if wrong:
        raise TinaKitError(
            f"{plural(len(wrong), 'result')} cannot be used; remove the folder of each "
            "(STAGE/KEY in the store) and run the recipe again"
        )


@app.command()
def pack(
    run: RunFolder,
    output: OutputFile,
    stage: Stages = None,
) -> None:
    """Write the results of a run to one file, to continue with them on another machine."""
    from tina_kit.library import pack as packed

    log(f"{output}: {amount(packed(run, output, stages=stage or ()))}")
    log(f"on the other machine: tina-kit store unpack {output.name}")


@app.command()
def unpack(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `pack` wrote.", callback=user_paths)
    ],
) -> None:
    """Add packed results to the store, and pin them.

    Nothing is added unless all of them are as they were packed.
    """
    from tina_kit.library import unpack as unpacked

    done = unpacked(file)
    new = f"{len(done.new):,} of them new"
    log(f"{file}: {plural(len(done.results), 'result')} of {done.title}, {new}")
    pin = f"unpacked: {done.title}"
    log(
        f"They are pinned as {pin!r}; once a run here uses them, unpin them with: "
        f"tina-kit store unpin {shlex.quote(pin)}"
    )

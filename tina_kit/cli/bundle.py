"""`bundle`: a generator as one file that answers anywhere; to and from the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli.common import open_run
from tina_kit.cli.group import Defaulting
from tina_kit.cli.options import GeneratorName, RunFolder, Seed, user_paths
from tina_kit.pipeline.console import log
from tina_kit.report.amounts import amount

app = typer.Typer(
    cls=Defaulting,
    help="Write a generator of a finished run to one file that answers anywhere (`tina-kit bundle "
    "RUN -o FILE`), or push or pull such a file.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Bundle = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="The bundle to write, as a rule named *.tina.",
        callback=user_paths,
    ),
]
Place = Annotated[
    str, typer.Argument(metavar="PLACE", help="A model on the Hugging Face Hub: hf:OWNER/NAME.")
]


@app.command(Defaulting.default)
def make(
    run: RunFolder,
    output: Bundle,
    generator: GeneratorName = None,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="The licence of the data, for the card.")
    ] = "",
    seed: Seed = None,
) -> None:
    """Write a generator of a finished run to one file (`make` may be left out).

    The bundle holds all that `generate` needs: neither the store nor the images nor the recipe. Its
    p-Models are those of the run folder, to the last bit. Nothing in it is code: plugins that it
    needs must be installed where it is used.

    Example: tina-kit bundle runs/quickstart/RUN -o shapes.tina
    """
    from tina_kit.library import bundle as bundled

    done = bundled(open_run(run, "cpu"), output, generator=generator, seed=seed, licence=licence)
    for note in done.notes:
        log(f"note: {note}")
    log(f"{output}: {amount(done.size)}, {done.generator}")
    log(f'to use it: tina-kit generate {output} --classes "…, …" -o mine.safetensors')


@app.command()
def push(
    bundle: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.", callback=user_paths)],
    place: Place,
    private: Annotated[
        bool,
        typer.Option("--private", help="If the model is new: let only its owner see it."),
    ] = False,
) -> None:
    """Upload a bundle to the Hugging Face Hub, with its card as README.

    The model is made if it does not exist. The token is taken from HF_TOKEN or `hf auth login`.

    Example: tina-kit bundle push shapes.tina hf:OWNER/shapes
    """
    from tina_kit.library import push_bundle

    log(f"{place}: pushed: {push_bundle(bundle, place, private=private)}")


@app.command()
def pull(place: Place, output: Bundle) -> None:
    """Download a bundle from the Hugging Face Hub.

    hf:OWNER/NAME@REVISION takes a certain version. What is downloaded is checked, and contains no
    code.

    Example: tina-kit bundle pull hf:OWNER/shapes -o shapes.tina
    """
    from tina_kit.library import pull_bundle

    pull_bundle(place, output)
    log(f"{output}: {amount(output.stat().st_size)} from {place}")

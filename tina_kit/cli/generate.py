"""`generate`: a classifier for the classes that somebody names or shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from tina_kit.api.errors import UserError
from tina_kit.api.names import as_words, name_index, tidy
from tina_kit.cli.common import open_generator
from tina_kit.cli.options import Device, GeneratorName, RunOrBundle, Seed, Trust, user_paths
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.pipeline.personal import ReadyGenerator

_SECONDS = 5  # between lines about progress


def generate(
    run: RunOrBundle,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The .safetensors file to write; with --tasks, the folder.",
            callback=user_paths,
        ),
    ],
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help='The classes to distinguish, separated by commas: "apple, pear".',
        ),
    ] = None,
    class_: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="One class to distinguish, whose name may contain commas; comes after those of "
            '--classes. May be repeated: --class "salt, pepper" --class dog.',
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Instead of names: a folder with one image per class, named after the class "
            "(red_circle.png).",
            callback=user_paths,
        ),
    ] = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of names: a CSV file with the classes of one p-Model in each line. All "
            "are written to a folder with a manifest; repeat the command to continue.",
            callback=user_paths,
        ),
    ] = None,
    generator: GeneratorName = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse classes that are too dissimilar to those that the run was trained on.",
        ),
    ] = False,
    trust: Trust = False,
    seed: Seed = None,
    device: Device = "auto",
) -> None:
    """Generate a p-Model from class names or images.

    The p-Model distinguishes the classes that are named, or shown by one image each.

    Names that differ only in case, spaces, underscores or Unicode form are the same class. For
    each class, the log says whether the run was trained on it, and otherwise which of the trained
    classes are most similar to it (cosine of their embeddings by the run's conditioner). It warns
    of a class that is less similar to all of them than 95% of them are to their nearest other one.

    Load the file with `tina_kit.load("FILE")`; `.predict(images)` gives class names.

    Example: tina-kit generate runs/quickstart/RUN --classes "red circle, blue star" -o
    mine.safetensors
    """
    named = [*(classes or ()), *(class_ or ())]
    if bool(named) + (images is not None) + (tasks is not None) != 1:
        raise UserError("give either --classes or --images or --tasks: the classes to distinguish")
    if tasks is not None:
        _many(tasks, output, open_generator(run, generator, seed, "text", device, trust), strict)
        return
    files = {} if images is None else _labelled(images)
    names = list(files) if images is not None else _named(classes or (), class_ or ())
    _check(output)
    prompts = "text" if images is None else "image"
    ready = open_generator(run, generator, seed, prompts, device, trust)

    from tina_kit.api.image_files import list_images
    from tina_kit.pipeline.seen import Familiarity

    model = ready.generate(names, list(files.values()), strict)
    model.save(output)
    seen = Familiarity.read(model.metadata["seen"])
    for line in seen.lines:
        log(line)
    if seen.warning:
        log(f"warning: {seen.warning}")
    if images is not None and (note := list_images(images, deep=False).note):
        log(f"--images {images}: {note}")
    size = sum(p.numel() for p in model.module.parameters())
    made_by = model.metadata["generator"]["name"]
    log(f"{output}: {size:,} parameters by {made_by} for {', '.join(map(str, seen.classes))}")
    log(f'in Python: tina_kit.load("{output}").predict(["image.jpg"])')


def _many(tasks: Path, output: Path, ready: ReadyGenerator, strict: bool) -> None:
    from tina_kit.library import generate_many

    last = monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal last
        if monotonic() - last > _SECONDS:
            log(f"{output}: {done:,} of {of:,} p-Models")
            last = monotonic()

    made = generate_many(ready, tasks, output, strict=strict, tell=tell)
    kept = f", {made.kept:,} were there" if made.kept else ""
    log(f"{output}: {made.made:,} p-Models by {ready.name}{kept}")
    if made.unlike:
        log(
            f"warning: {made.unlike:,} p-Models have classes unlike those that the run was trained "
            'on, and are likely to be wrong about these; the manifest lists them under "unlike"'
        )


def _named(lists: Sequence[str], single: Sequence[str]) -> list[str]:
    """The names of all `--classes` and then of all `--class`."""
    split = [name for text in lists for name in text.split(",")]
    if quoted := [name.strip() for name in split if name.count('"') % 2]:
        raise UserError(
            f"--classes: {quoted[0]}: give a name that contains a comma or a quote with --class"
        )
    names = [tidy(name) for name in (*split, *single)]
    places = [f"--classes, name {number}" for number in range(1, len(split) + 1)]
    places += [f"--class, number {number}" for number in range(1, len(single) + 1)]
    name_index(names, places)
    if len(names) < 2:
        raise UserError("name at least two classes, separated by commas in --classes")
    return names


def _labelled(folder: Path) -> dict[str, Path]:
    """The images of a folder by label, in the order of their names."""
    files = _image_files(folder)
    labels = [as_words(path.stem) for path in files]
    try:
        name_index(labels, [path.name for path in files])
    except UserError as error:
        raise UserError(f"--images {folder}: {error}") from None
    if len(files) < 2:
        raise UserError(
            f"--images {folder}: it must contain an image of each of at least two classes, but "
            f"contains {len(files)}"
        )
    return dict(zip(labels, files))


def _image_files(folder: Path) -> list[Path]:
    """In the order of their names."""
    from tina_kit.api.image_files import list_images

    if not folder.is_dir():
        raise UserError(f"--images {folder}: no such folder")
    return [folder / name for name in list_images(folder, deep=False).images]


def _check(output: Path) -> None:
    from tina_kit.store.output import check_output, is_stream

    if output.suffix != ".safetensors" and not is_stream(output):
        raise UserError(f"--output {output}: the file's name must end in .safetensors")
    check_output(output)

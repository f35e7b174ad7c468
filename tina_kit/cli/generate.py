"""`generate`: a classifier for the classes that somebody names or shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.api.errors import UserError
from tina_kit.cli.common import RunFolder, log, user_paths
from tina_kit.cli.finished import open_run

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")


def generate(
    run: RunFolder,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="A .safetensors file.", callback=user_paths),
    ],
    classes: Annotated[
        str | None, typer.Option(help='Class names with commas: "apple, pear".')
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="In place of names, a folder with one image a class: red_circle.png.",
            callback=user_paths,
        ),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(help="A generator of the run; by default the first for such prompts."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="A seed of the run; its first one.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Generate a p-Model from class names, or from an image of each class, and save it.

    Load it with `tina_kit.load("FILE")`; `.predict(images)` gives class names.
    """
    if (classes is None) == (images is None):
        raise UserError("give either --classes or --images, what the p-Model shall tell apart")
    files = {} if images is None else _labelled(images)
    names = list(files) if classes is None else _named(classes)
    _check(output)
    experiment = open_run(run, seed, device)

    from tina_kit.pipeline.personal import personal_model

    model = personal_model(experiment, generator, names, list(files.values()))
    model.save(output)
    size = sum(p.numel() for p in model.module.parameters())
    made_by = model.metadata["generator"]["name"]
    log(f"{output}: {size:,} parameters by {made_by} for {', '.join(names)}")
    log(f'in Python: tina_kit.load("{output}").predict(["image.jpg"])')


def _named(classes: str) -> list[str]:
    names = [name.strip() for name in classes.split(",")]
    if len(names) < 2 or not all(names):
        raise UserError("--classes: name at least two classes, with commas between them")
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise UserError(f"--classes: {', '.join(sorted(doubled))} stands there twice")
    return names


def _labelled(folder: Path) -> dict[str, Path]:
    """The images of a folder by label, in the order of their names."""
    if not folder.is_dir():
        raise UserError(f"--images {folder}: there is no such folder")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        label = path.stem.replace("_", " ").strip() or path.stem
        if label in files:
            raise UserError(
                f"--images {folder}: {files[label].name} and {path.name} are both of '{label}'; "
                "keep one image a class"
            )
        files[label] = path
    if len(files) < 2:
        raise UserError(
            f"--images {folder}: it must hold an image ({', '.join(SUFFIXES)}) of each of at least "
            f"two classes, and holds {len(files)}"
        )
    return files


def _check(output: Path) -> None:
    from tina_kit.store.output import check_output, is_stream

    if output.suffix != ".safetensors" and not is_stream(output):
        raise UserError(f"--output {output}: the file's name must end in .safetensors")
    check_output(output)

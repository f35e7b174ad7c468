"""`generate`: a classifier for the classes that somebody names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tina_kit.api.errors import UserError
from tina_kit.cli.common import log, registry
from tina_kit.cli.progress import progress


def generate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    classes: Annotated[str, typer.Option(help='Class names with commas: "apple, pear".')],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .safetensors file.")],
    generator: Annotated[
        str | None, typer.Option(help="A generator of the run; the first that reads prompts.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="A seed of the run; its first one.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Generate a p-Model from class names and save it.

    Load it with `tina_kit.load("FILE")`; `.predict(images)` gives class names.
    """
    names = [name.strip() for name in classes.split(",")]
    _check(names, output)
    recipe, record = _open(run)

    from tina_kit.pipeline.experiment import Experiment
    from tina_kit.pipeline.personal import personal_model
    from tina_kit.store import Store
    from tina_kit.training import resolve_device

    seeds = recipe.core.seeds
    if seed is not None and seed not in seeds:
        raise UserError(f"--seed {seed}: the run has {', '.join(map(str, seeds))}")
    store = Store(Path(record["store"]))
    chosen = seeds[0] if seed is None else seed
    place = resolve_device(device)
    experiment = Experiment(recipe, chosen, store, place, progress(), record["precision"])
    model = personal_model(experiment, generator, names)
    model.save(output)
    size = sum(p.numel() for p in model.module.parameters())
    log(f"{output}: {size:,} parameters for {', '.join(names)}")
    log(f'in Python: tina_kit.load("{output}").predict(["image.jpg"])')


def _check(names: list[str], output: Path) -> None:
    if len(names) < 2 or not all(names):
        raise UserError("--classes: name at least two classes, with commas between them")
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise UserError(f"--classes: {', '.join(sorted(doubled))} stands there twice")
    if output.suffix != ".safetensors":
        raise UserError(f"--output {output}: the file's name must end in .safetensors")
    if not output.parent.is_dir():
        raise UserError(f"--output {output}: there is no folder {output.parent}")


def _open(run: Path) -> tuple[Any, dict[str, Any]]:
    from tina_kit.pipeline.record import read_record
    from tina_kit.recipe import load_recipe

    record = read_record(run)
    return load_recipe(run / "resolved.yaml", registry()), record

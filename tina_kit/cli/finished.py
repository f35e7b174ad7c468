"""A finished run, opened again by a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api.errors import UserError
from tina_kit.cli.common import log, registry, show_warnings
from tina_kit.cli.progress import progress

if TYPE_CHECKING:
    from tina_kit.pipeline.experiment import Experiment


def open_run(folder: Path, seed: int | None, device: str) -> Experiment:
    """The experiment of one seed, by default the run's first one."""
    from tina_kit.pipeline.record import read_record
    from tina_kit.recipe import load_recipe

    show_warnings()
    record = read_record(folder)
    recipe = load_recipe(folder / "resolved.yaml", registry(), recorded=True)

    from tina_kit.pipeline.experiment import Experiment
    from tina_kit.store import Store
    from tina_kit.training import resolve_device

    seeds = recipe.core.seeds
    if seed is not None and seed not in seeds:
        raise UserError(f"--seed {seed}: the seeds of the run are {', '.join(map(str, seeds))}")
    store = Store.of_run(record["store"])
    if str(store.root) != record["store"]:
        log(f"reading from the store {store.root} (TINA_KIT_STORE), not from {record['store']}")
    chosen = seeds[0] if seed is None else seed
    place = resolve_device(device)
    return Experiment(recipe, chosen, store, place, progress(), record["precision"])

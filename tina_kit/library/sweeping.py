"""Sweeps: many runs of one recipe, to choose options by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api.errors import UserError
from tina_kit.api.paths import user_path
from tina_kit.library.installed import Files, discovered
from tina_kit.library.runs import Overrides, plan_with, start

if TYPE_CHECKING:
    from tina_kit.api.observer import Observer
    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.run import Run
    from tina_kit.plugins import Registry
    from tina_kit.recipe import Recipe
    from tina_kit.sweeps.outcome import Outcome
    from tina_kit.sweeps.sweep import Sweep

CURVE = 10  # measurements in each training of a search, after each of which a point may be stopped


def sweep(
    recipe: str | Path,
    set: Overrides,
    *,
    random: int | None = None,
    search: int | None = None,
    seed: int = 0,
    row: str | None = None,
    profile: str | None = None,
    seeds: Sequence[int] | None = None,
    name: str | None = None,
    output: str | Path = "sweeps",
    device: str = "auto",
    plugins: Files = (),
    observers: Sequence[Observer] | None = None,
    track: Sequence[str] = (),
) -> Outcome:
    """Run a recipe with each combination of some values, on validation images and tasks; repeated,
    a sweep that was stopped goes on.

    set: for each dotted key a list of values, one value or the text of a range,
    `{"generators.tina-dit.depth": [2, 4], "generic.learning_rate": "log:1e-4..1e-2"}`; random: draw
    so many points; search: have Optuna choose so many, and stop hopeless ones; seed: of both; row:
    the generator whose p-Acc counts, by default the one that is varied; name: of the folder below
    `output`; the rest as in `run`. Raises UserError for a mistake, and if the recipe or `set` would
    measure on test images, and TinaKitError if no point could be run. `search` needs the extra
    `search`.
    """
    registry = discovered(plugins)
    made = sweep_with(
        registry,
        recipe,
        set,
        random=random,
        search=search,
        seed=seed,
        row=row,
        profile=profile,
        seeds=seeds,
        name=name,
        output=output,
        device=device,
        plugins=plugins,
        observers=observers,
        track=track,
    )
    made.work()
    from tina_kit.sweeps.outcome import Outcome

    return Outcome(made.record)


def open_sweep(folder: str | Path) -> Outcome:
    """The table of a sweep, as far as it is. Raises UserError if the folder is not one's."""
    from tina_kit.sweeps.outcome import Outcome
    from tina_kit.sweeps.record import Record

    return Outcome(Record.read(user_path(folder)))


def sweep_with(
    registry: Registry,
    recipe: str | Path,
    set: Overrides,
    *,
    random: int | None,
    search: int | None,
    seed: int,
    row: str | None,
    profile: str | None,
    seeds: Sequence[int] | None,
    name: str | None,
    output: str | Path,
    device: str,
    plugins: Files,
    observers: Sequence[Observer] | None,
    track: Sequence[str] = (),
) -> Sweep:
    """A sweep, ready to work."""
    from tina_kit.pipeline.console import log
    from tina_kit.plugins.trackers import trackers
    from tina_kit.recipe import load_recipe
    from tina_kit.recipe.schema import unfit_as_name
    from tina_kit.store import content_key
    from tina_kit.sweeps.allowed import check_axes, check_points, check_recipe, with_fixed
    from tina_kit.sweeps.axes import axes_of, words
    from tina_kit.sweeps.points import corners, drawn, grid
    from tina_kit.sweeps.record import Record
    from tina_kit.sweeps.search import Search
    from tina_kit.sweeps.sweep import Sweep

    for option, count in (("random", random), ("search", search)):
        if count is not None and count < 1:
            raise UserError(f"{option}: {count} points; at least 1")
    if random is not None and search is not None:
        raise UserError("give either random or search: both choose the points")
    axes = axes_of(set)
    check_axes(axes)
    trackers(registry, track)  # a wrong name is a mistake to be told before anything runs
    base = load_recipe(Path(recipe), registry, profile=profile, seeds=seeds)
    check_recipe(base)
    chosen = _row(base, row, [axis.key for axis in axes])
    flags = chosen.component.build()
    identity = {
        "recipe_key": content_key(base.plain()),
        "axes": {axis.key: axis.plain() for axis in axes},
        "method": "search" if search else "random" if random else "grid",
        "seed": seed,
        "seeds": list(base.core.seeds),
        "row": chosen.name,
        "split": "id" if flags.id_only else "ood",
    }
    own = name or f"{base.core.name}-{content_key(identity)[:8]}"
    if wrong := unfit_as_name(own):
        raise UserError(f"--name {own}: {wrong}")
    facts = {"name": own, "recipe": str(recipe), "profile": profile, **identity}
    ends = []
    for point in corners(axes):  # mistakes in values that would be chosen only later
        sets = with_fixed(point, 0)
        resolved = load_recipe(Path(recipe), registry, profile=profile, sets=sets, seeds=seeds)
        ends.append((f"--set {words(point)}", resolved))
    check_points(base, chosen.name, ends)
    points = [] if search else drawn(axes, random, seed) if random else grid(axes)
    chooser = Search(axes, seed) if search else None

    def planned(sets: Mapping[str, Any]) -> Plan:
        return plan_with(registry, recipe, profile, sets, seeds, device, plugins, observers)

    def begun(plan: Plan, folder: Path) -> Run:
        return start(plan, registry, folder, track)

    record = Record.open(user_path(output) / own, facts)
    record.extend(points)
    return Sweep(
        record, planned, begun, log, search or len(points), CURVE if search else 0, chooser
    )


def _row(recipe: Recipe, name: str | None, keys: Sequence[str]) -> Any:
    """The row whose p-Acc counts: the one that is named; or else the only one that is varied; or
    else the first that learns from prompts."""
    rows = {row.name: row for row in recipe.generators}
    if name is not None:
        if name not in rows:
            from tina_kit.plugins.registry import nearest

            raise UserError(
                f"row: the recipe has no generator '{name}'; {nearest(name, list(rows))}"
            )
        return rows[name]
    varied = [row for row in rows if any(key.startswith(f"generators.{row}.") for key in keys)]
    if len(varied) == 1:
        return rows[varied[0]]
    for row in recipe.generators:
        flags = row.component.build()
        if flags.learns and flags.reads_conditions:
            return row
    return recipe.generators[0]

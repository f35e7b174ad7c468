"""The store: what lies in it and why, and what may go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api.errors import UserError
from tina_kit.api.paths import user_path
from tina_kit.library.installed import Files, discovered
from tina_kit.library.runs import Overrides, plan_with

if TYPE_CHECKING:
    from tina_kit.pipeline.explanation import Explanation
    from tina_kit.plugins import Registry
    from tina_kit.store.collecting import Survey
    from tina_kit.store.listing import Item


def list_store(
    *,
    stages: Sequence[str] = (),
    run: str | Path | None = None,
    unnamed: bool = False,
    older_than: float = 0,
    larger_than: float = 0,
    sort: str = "stage",
) -> list[dict[str, Any]]:
    """The results in the store, as `store ls --json` prints them.

    stages: kinds of stages, like "zoo", by default all; run: only what this run folder names;
    unnamed: only what no run, bundle or pin names; older_than: days; larger_than: megabytes;
    sort: "stage", "age" (oldest first) or "size" (largest first). Raises UserError for other words,
    and for a stage of which nothing is stored.
    """
    import time

    from tina_kit.store.names import of_run_folder

    orders: dict[str, Callable[[Item], Any]] = {
        "stage": lambda item: item.result,
        "age": lambda item: item.stored,
        "size": lambda item: -item.size,
    }
    if sort not in orders:
        raise UserError(f"sort {sort!r}: choose one of {', '.join(orders)}")
    found = survey()
    there = sorted({item.stage for item in found.items})
    if unknown := [stage for stage in stages if there and stage not in there]:
        raise UserError(
            f"stage {unknown[0]!r}: no result is of this stage; there are {', '.join(there)}"
        )
    of_run = None if run is None else of_run_folder(user_path(run)).results
    before = time.time() - older_than * 86400
    items = [
        item
        for item in found.items
        if (not stages or item.stage in stages)
        and (of_run is None or item.result in of_run)
        and not (unnamed and item.result in found.named)
        and item.stored <= before
        and item.size >= larger_than * 1e6
    ]
    return [_row(item, found) for item in sorted(items, key=orders[sort])]


def store_usage() -> dict[str, Any]:
    """How many bytes what takes in the store, as `store du --json` prints it."""
    from tina_kit.store.usage import usage

    return usage(survey())


def why(
    recipe: str | Path,
    *,
    against: str | Path | None = None,
    profile: str | None = None,
    set: Overrides = (),
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    plugins: Files = (),
) -> Explanation:
    """Why stages of a recipe would be computed again; computes nothing.

    against: a run folder to compare with, by default the stored results that are most alike. The
    other arguments are those of `run`. Raises UserError for a mistake in the recipe and a folder
    that is no run's.
    """
    registry = discovered(plugins)
    folder = None if against is None else user_path(against)
    return why_with(registry, recipe, folder, profile, set, seeds, device, plugins)


def why_with(
    registry: Registry,
    recipe: str | Path,
    against: Path | None,
    profile: str | None,
    set: Overrides,
    seeds: Sequence[int] | None,
    device: str,
    plugins: Files,
) -> Explanation:
    if against is not None:
        from tina_kit.store.names import of_run_folder

        of_run_folder(against)  # a wrong folder is told before torch is imported
    made = plan_with(registry, recipe, profile, set, seeds, device, plugins, ())
    from tina_kit.pipeline.why import Explainer

    return Explainer(made, against).explain()


def clean_store(*, delete: bool = False, runs: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Find what no run, bundle or pin names, and remove it if `delete`; as `store gc --json` prints
    it.

    runs: folders below which run folders lie that an older version has written, which the store
    does not know. Without any, results that may be theirs are kept. Raises UserError if one of
    these cannot be read, and TinaKitError if the store cannot be written.
    """
    from tina_kit.store.collecting import Collector, total

    found = survey(runs)
    done = Collector(found).collect() if delete else None
    results = found.garbage if done is None else done.results
    return {
        "store": str(found.root),
        "deleted": delete,
        "bytes": found.size if done is None else done.size,
        "results": [_row(item, found) for item in results],
        "unfinished": [f"{each.stage}/{each.key}" for each in found.unfinished],
        "kept": len(found.items) - len(results),
        "older": {"results": len(found.unclear), "bytes": total(found.unclear)},
        "unreadable": len(found.unreadable),
        "gone": [str(name) for name in found.gone],
        "unknown": [str(name) for name in found.unknown],
        "busy": [] if done is None else ["/".join(each) for each in done.busy],
        "refused": [] if done is None else [str(path) for path in done.refused],
    }


def verify_store(*, run: str | Path | None = None) -> Iterator[dict[str, Any]]:
    """Read every result, or every one of a run; yields `stage`, `key`, `bytes` and `problem`, which
    is "" if its files are as they were stored."""
    from tina_kit.store import Store
    from tina_kit.store.names import of_run_folder
    from tina_kit.store.verifying import verified_all

    results = None if run is None else of_run_folder(user_path(run)).results
    there = set()
    for item, problem in verified_all(Store.default().root, results):
        there.add(item.result)
        yield {"stage": item.stage, "key": item.key, "bytes": item.size, "problem": problem}
    for stage, key in sorted((results or frozenset()) - there):
        yield {"stage": stage, "key": key, "bytes": 0, "problem": "it is not in the store"}


def survey(runs: Sequence[str | Path] = ()) -> Survey:
    from tina_kit.pipeline.run_folders import readable_runs
    from tina_kit.store import Store
    from tina_kit.store.collecting import Survey
    from tina_kit.store.names import of_run_folder

    places = [user_path(place) for place in runs]
    older = [of_run_folder(run.folder) for place in places for run in readable_runs(place)]
    return Survey.of(Store.default().root, older if places else None)


def _row(item: Item, found: Survey) -> dict[str, Any]:
    stored = datetime.fromtimestamp(item.stored, timezone.utc)
    return {
        "stage": item.stage,
        "key": item.key,
        "name": item.name,
        "seed": item.seed,
        "bytes": item.size,
        "stored": stored.isoformat(timespec="seconds"),
        "seconds": item.seconds,
        "state": item.state,
        "named_by": [str(name) for name in found.named.get(item.result, ())],
    }

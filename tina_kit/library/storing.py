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
    from tina_kit.store.names import Name, Result
    from tina_kit.store.packing import Unpacked


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
    unnamed: only what nobody names; older_than: days; larger_than: megabytes; sort: "stage", "age"
    (oldest first) or "size" (largest first). Raises UserError for other words, and for a stage of
    which nothing is stored.
    """
    import time

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
    of_run = None if run is None else _of_run(user_path(run)).results
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
        _of_run(against)  # a wrong folder is told before torch is imported, which takes seconds
    made = plan_with(registry, recipe, profile, set, seeds, device, plugins, ())
    from tina_kit.pipeline.why import Explainer

    return Explainer(made, against).explain()


def clean_store(*, delete: bool = False, runs: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Find what nobody names, and remove it if `delete`; as `store gc --json` prints it.

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


def pin(what: str | Path) -> int:
    """Keep results whoever else names them; returns how many.

    what: a run folder, for all of its results, or one as `STAGE/KEY`, whose key may be abridged.
    Raises UserError if there is no such thing.
    """
    from tina_kit.store import Store
    from tina_kit.store.disk import explaining
    from tina_kit.store.names import Names

    root = Store.default().root
    name, results, title = _pinned(str(what), root)
    with explaining(root, "run this as the owner of the store"):
        Names(root).add("pin", name, results, title)
    return len(results)


def unpin(what: str | Path) -> None:
    """No longer keep what was pinned so. Raises UserError, with all pins, if nothing was."""
    from tina_kit.store import Store
    from tina_kit.store.disk import explaining
    from tina_kit.store.names import Names

    root = Store.default().root
    names = Names(root)
    pins = {name.what: name for name in names.all() if name.kind == "pin"}
    asked = str(what)
    found = pins.get(asked) or pins.get(str(user_path(asked).resolve()))
    if found is None and "/" in asked:
        stage, _, key = asked.rpartition("/")
        alike = [pins[text] for text in pins if key and text.startswith(f"{stage}/{key}")]
        found = alike[0] if len(alike) == 1 else None
    if found is None:
        there = ", ".join(pins) or "none"
        raise UserError(f"{asked}: this is not pinned; pinned are: {there}")
    with explaining(root, "run this as the owner of the store"), names.held():
        names.remove([found])


def verify_store(*, run: str | Path | None = None) -> Iterator[dict[str, Any]]:
    """Read every result, or every one of a run; yields `stage`, `key`, `bytes` and `problem`, which
    is "" if its files are as they were stored."""
    from tina_kit.store import Store
    from tina_kit.store.verifying import verified_all

    results = None if run is None else _of_run(user_path(run)).results
    there = set()
    for item, problem in verified_all(Store.default().root, results):
        there.add(item.result)
        yield {"stage": item.stage, "key": item.key, "bytes": item.size, "problem": problem}
    for stage, key in sorted((results or frozenset()) - there):
        yield {"stage": stage, "key": key, "bytes": 0, "problem": "it is not in the store"}


def pack(run: str | Path, output: str | Path, *, stages: Sequence[str] = ()) -> int:
    """Write the results of a run to one file, to continue with them on another machine; returns its
    bytes. stages: kinds of stages, by default all. Raises UserError if the run has none of these
    or the file cannot be written, and TinaKitError for a result that is missing or was altered."""
    from tina_kit.store import Store
    from tina_kit.store.packing import pack

    name = _of_run(user_path(run))
    results = [each for each in name.results if not stages or each[0] in stages]
    if not results:
        raise UserError(f"{run}: this run has no results of the stages {', '.join(stages)}")
    return pack(Store.default(), results, user_path(output), f"{name.title} ({Path(run).name})")


def unpack(file: str | Path) -> Unpacked:
    """Add the results in such a file to the store, and pin them. Nothing is added unless all of
    them are as they were packed. Raises UserError if they are not."""
    from tina_kit.store import Store
    from tina_kit.store.packing import unpack

    return unpack(Store.default(), user_path(file))


def survey(runs: Sequence[str | Path] = ()) -> Survey:
    from tina_kit.store import Store
    from tina_kit.store.collecting import Survey
    from tina_kit.store.names import of_run_folder, run_folders

    places = [user_path(place) for place in runs]
    older = [of_run_folder(folder) for place in places for folder in run_folders(place)]
    return Survey.of(Store.default().root, older if places else None)


def _of_run(folder: Path) -> Name:
    from tina_kit.store.names import of_run_folder

    return of_run_folder(folder)


def _pinned(what: str, root: Path) -> tuple[str, Sequence[Result], str]:
    """The pin's name, its results and its title."""
    from tina_kit.store.listing import items

    path = user_path(what)
    if (path / "run.json").is_file():
        name = _of_run(path)
        return name.what, sorted(name.results), name.title
    stage, _, start = what.rpartition("/")
    keys = [item.key for item in items(root, [stage]) if start and item.key.startswith(start)]
    if len(keys) > 1:
        raise UserError(f"{what}: {len(keys)} results begin so; write more of the key")
    if not keys:
        raise UserError(
            f"{what}: this is neither a run folder nor a result in the store, as `store ls` lists "
            "them (STAGE/KEY)"
        )
    return f"{stage}/{keys[0]}", [(stage, keys[0])], ""


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

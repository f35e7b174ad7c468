"""Stores with hand-made results, and the names of runs, bundles and pins."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tina_kit.store import Draft, Store, content_key, write_json
from tina_kit.store.names import Names, Result


def made(
    store: Store, stage: str, number: object, after: Sequence[Result] = (), recorded: bool = True
) -> Result:
    """A result of a few bytes, as its stage would store it. recorded: as since runs are named."""
    settings = {"number": str(number)}
    whole = {"stage": stage, "version": 1, "settings": settings, "after": [k for _, k in after]}
    key = content_key(whole)
    lineage = {
        "name": f"{stage}/{number}",
        "seed": 0,
        "version": 1,
        "after": [{"stage": s, "key": k, "name": s} for s, k in after],
    }

    def compute(draft: Draft) -> None:
        draft.save_json("answer.json", {"answer": str(number) * 20})

    store.ensure(stage, key, compute, settings, lineage=lineage if recorded else {})
    return stage, key


def run_folder(
    store: Store, folder: Path, results: Sequence[Result], named: bool = True, **facts: object
) -> Path:
    """A run folder; named: as `Run.start` does, in the store."""
    stages = [
        {"name": stage, "kind": stage, "key": key, "seed": 0, "state": "computed"}
        for stage, key in results
    ]
    record = {"status": "done", "name": folder.parent.name, "stages": stages, "seeds": [0]}
    record |= {"started": "2026-11-01T12:00:00+00:00", **facts}
    write_json(folder / "run.json", record)
    if named:
        Names(store.root).add("run", folder, results, folder.parent.name)
    return folder


def fifty(root: Path, runs: Path) -> tuple[Store, dict[str, list[Result]]]:
    """A store of 50 runs, each with results of its own and some that others share, of which every
    fifth run folder was removed. Returns what must stay, and what must go."""
    store = Store(root)
    found: dict[str, list[Result]] = {"named": [], "garbage": []}
    for number in range(50):
        images = made(store, "images", number % 7)
        generic = made(store, "generic", number // 3, [images])
        shards = [made(store, "zoo", f"{number}.{part}", [generic]) for part in range(2)]
        fit = made(store, "fit", number, shards)
        results = [images, generic, *shards, fit]
        folder = run_folder(store, runs / "many" / f"{number:02}", results)
        if number % 5 == 0:
            shutil.rmtree(folder)
            found["garbage"] += results
        else:
            found["named"] += results
    pinned, bundled = found["garbage"][4], found["garbage"][8]
    Names(root).add("pin", "/".join(pinned), [pinned])
    bundle = runs / "one.tina"
    bundle.touch()
    Names(root).add("bundle", bundle, [bundled])
    found["named"] += [pinned, bundled]
    found["garbage"] = sorted(set(found["garbage"]) - set(found["named"]))
    found["named"] = sorted(set(found["named"]))
    return store, found

"""Whether a sweep that is killed ends with the digits of an undisturbed one.

Run `python -m tests.benchmarks.sweeps`; `--points`, `--kills` and `--seed` choose how many points a
grid has and how often and when it is killed (SIGKILL), `--search` has Optuna choose the points;
`--tiny` has three points. Points, comparisons and every file in the store must be the same, each
stage must be computed once, and nothing may be left over. The exit code is 1 for a fault.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.benchmarks.kills import RECIPE, TINY, ended, files_of, fork, preload

PATIENCE_S = 600.0
RATES = (1e-3, 3e-3, 1e-2)
AXES = {
    # The first three points share all but the fit; the others need a generic model and a zoo of
    # their own.
    "generic.epochs": (2, 3, 4, 5),
    "generators.tina-dit.learning_rate": RATES,
}


def words(points: int, search: bool) -> list[str]:
    values = {**AXES, "generic.epochs": AXES["generic.epochs"][: max(1, points // len(RATES))]}
    sets = [f"{key}={','.join(map(str, each))}" for key, each in values.items()]
    chosen = ["--search", str(points)] if search else []
    return [*(word for each in sets for word in ("--set", each)), "--name", "swept", *chosen]


def run(folder: Path, recipe: Path, given: list[str], delay: float = PATIENCE_S) -> int:
    """The exit code; the sweep is killed after so many seconds."""
    child = fork(folder, "sweep", recipe, *given)
    code = ended(child, delay)
    if code is None:
        os.kill(child, signal.SIGKILL)
        code = ended(child, PATIENCE_S)
    assert code is not None
    return code


def record_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "sweeps" / "swept" / "sweep.json").read_text())["points"]


def computed(folder: Path) -> Counter[str]:
    """How often each stage was computed, in all runs."""
    found: Counter[str] = Counter()
    for events in (folder / "sweeps").rglob("events.jsonl"):
        for line in events.read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "stage ended" and event["state"] == "computed":
                found[event["key"]] += 1
    return found


def faults(folder: Path, whole: Path) -> Iterator[str]:
    for theirs, ours in zip(record_of(folder), record_of(whole)):
        different = {key for key in ours if ours[key] != theirs.get(key)} - {"run"}
        if different:
            yield f"point {ours['number']}: other {', '.join(sorted(different))}"
    if len(record_of(folder)) != len(record_of(whole)):
        yield "not as many points"
    if files_of(folder / "store") != files_of(whole / "store"):
        yield "other files in the store"
    again = [key for key, times in computed(folder).items() if times > 1]
    if again or computed(folder).keys() != computed(whole).keys():
        yield f"{len(again)} stages were computed more than once"
    yield from (f"left over: {path}" for path in (folder / "sweeps").rglob(".*"))
    if "Traceback" in (folder / "log").read_text():
        yield f"a traceback in {folder / 'log'}"


def compare(
    points: int, kills: int, seed: int, search: bool, folder: Path, text: str = RECIPE
) -> list[str]:
    """Prints figures; returns what went wrong."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, encoding="utf-8")
    whole, killed = folder / "whole", folder / "killed"
    given = words(points, search)
    for each in (whole, killed):
        each.mkdir()
    start = time.monotonic()
    if run(whole, recipe, given):
        return [(whole / "log").read_text()]
    seconds = time.monotonic() - start
    draw = random.Random(seed)
    done: list[str] = []
    for number in range(kills):
        share = draw.uniform(number, number + 1) / (kills + 1)
        before = len(_ended(killed))
        if run(killed, recipe, given, (share - before / points) * seconds + 0.3) != -signal.SIGKILL:
            done.append("not killed: it was done before")
            continue
        running = [point for point in record_of(killed) if point["status"] == "running"]
        print(f"kill {number + 1}: {len(_ended(killed))} points done, {len(running)} running")
    if run(killed, recipe, given):
        return [(killed / "log").read_text()[-2000:]]
    found = [*done, *faults(killed, whole)]
    statuses = Counter(point["status"] for point in record_of(killed))
    stages = len(computed(killed))
    print(
        f"a sweep of {points} points ({seconds:.0f} s; {dict(statuses)}), {kills} SIGKILLs: "
        f"{len(found)} faults, {stages} stages, each computed once: "
        f"{set(computed(killed).values()) == {1}}"
    )
    return found


def _ended(folder: Path) -> list[dict[str, Any]]:
    try:
        return [point for point in record_of(folder) if point["status"] in ("done", "pruned")]
    except FileNotFoundError:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=12)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    points, kills = (3, 1) if asked.tiny else (asked.points, asked.kills)
    preload()
    with tempfile.TemporaryDirectory() as folder:
        text = TINY if asked.tiny else RECIPE
        found = compare(points, kills, asked.seed, asked.search, Path(folder), text)
    print("\n".join(found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

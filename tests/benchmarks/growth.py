"""How time and peak memory grow: zoo, fit, evaluation, and a run that finds all of it stored, with
100, 1,000 and 10,000 p-Models; and a store with 1,000, 10,000 and 100,000 results in it.

Run `python -m tests.benchmarks.growth [FOLDER]`; writes growth.md and growth.png there, by default
beside this file. Each run has a process and a store of its own. A straight line has the slope 1.
"""

from __future__ import annotations

import ctypes
import json
import math
import re
import resource
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tina_kit.api import Observer, StageInfo

P_MODELS, ENTRIES = (100, 1000, 10_000), (1000, 10_000, 100_000)
RECIPE = """\
name: growth
dataset: {{use: shapes, train: 7, test: 5}}
tasks: {{id: {count}, ood: 2}}
architecture: {{use: cnn}}
conditioner: {{use: hashed-ngrams}}
generic: {{epochs: 1}}
finetune: {{epochs: 1, shard: 10}}
evaluation: {{id_tasks: {count}}}
generators:
  - {{use: class-means}}
  - {{use: tina-dit, hidden_size: 64, depth: 1, heads: 4, tokenizer: {{use: class-rows}},
     augmentations: [], sampler: ddim, sampling_steps: 1, steps: 50}}
  - {{use: oracle}}
"""
GROWING = ("zoo", "fit", "evaluate")

Point = dict[str, float]
"""Seconds and MiB by what was measured."""


class Watch(Observer):
    """Seconds and peak memory of each kind of stage, above what the process held before the first
    of those that grow."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.peak: dict[str, float] = defaultdict(float)
        self.before = 0.0

    def stage_started(self, stage: StageInfo) -> None:
        forget_peak()
        if stage.kind in GROWING and not self.before:
            self.before = peak()

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        self.seconds[stage.kind] += seconds or 0
        self.peak[stage.kind] = max(self.peak[stage.kind], peak() - self.before)


def forget_peak() -> None:
    """Give freed memory back to the system and begin anew, where the system can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """MiB, those that are mapped from files included."""
    with suppress(OSError, AttributeError):
        return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def of_run(count: int, folder: Path) -> Point:
    """A run with so many ID tasks, from an empty store and again."""
    from tests.conftest import plan_of
    from tina_kit.pipeline.run import Run

    path = folder / "growth.yaml"
    path.write_text(RECIPE.format(count=count))
    watch = Watch()
    plan = plan_of(path, folder / "store")
    with timed() as planned:
        stages = plan.stages
    plan.runtime.observer.add(watch)
    Run.start(plan, folder / "runs", []).execute()
    again = plan_of(path, folder / "store")
    with timed() as cached:
        Run.start(again, folder / "runs", []).execute()
    found = {f"{kind}, s": watch.seconds[kind] for kind in GROWING}
    found |= {f"{kind}, MiB": watch.peak[kind] for kind in GROWING}
    return {"stages": len(stages), **found, "plan, s": planned[0], "all cached, s": cached[0]}


def of_store(count: int, folder: Path) -> Point:
    """What a run asks of a store that holds so many results, and what `store` does with them. A run
    names half of them."""
    from tina_kit.pipeline.lineage import Known, Made
    from tina_kit.store import Store
    from tina_kit.store.collecting import Collector, Survey
    from tina_kit.store.names import Names

    store = Store(folder / "store")
    keys = [f"{number:024x}" for number in range(count)]
    for number, key in enumerate(keys):
        place = store.folder("zoo", key)
        place.mkdir(parents=True)
        (place / "entry.json").write_text(json.dumps(entry(key, number)))
    with timed() as found:
        assert all(store.has("zoo", key) for key in keys)
    with timed() as cleaned:
        store.clean()
    with timed() as locked:
        for number in range(20):
            store.ensure("zoo", f"new {number}", lambda draft: draft.save_json("x", 0), {})
    Names(store.root).add("run", folder, [("zoo", key) for key in keys[::2]])
    with timed() as surveyed:
        survey = Survey.of(store.root)
        assert len(survey.garbage) == count // 2
    known = Known(store)
    with timed() as compared:
        for number in range(20):
            assert known.alike(Made.read(entry("new", -1 - number)), [("generic", "k")])
    with timed() as collected:
        assert len(Collector(survey).collect().results) == count // 2
    return {
        "find all, s": found[0],
        "clean, ms": 1000 * cleaned[0],
        "store one, ms": 1000 * locked[0] / 20,
        "list and survey, s": surveyed[0],
        "why, s": compared[0],
        "gc of half, s": collected[0],
    }


def entry(key: str, number: int) -> dict[str, object]:
    """What is recorded of a shard of ten tasks."""
    tasks = [[(number + place) % 100 for place in range(start, start + 10)] for start in range(10)]
    training = {"epochs": 1, "batch_size": 64, "learning_rate": 0.001, "optimizer": "adamw"}
    return {
        "stage": "zoo",
        "key": key,
        "name": "zoo/id 1/10",
        "seed": 0,
        "version": 4,
        "after": [{"stage": "generic", "key": "k", "name": "generic"}],
        "settings": {"training": training, "tasks": tasks, "seed": 0, "precision": "bf16"},
        "made_by": {},
        "seconds": 1.0,
        "finite": True,
        "files": {},
    }


@contextmanager
def timed() -> Iterator[list[float]]:
    seconds: list[float] = []
    start = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - start)


def measured(what: str, count: int) -> Point:
    """By a process of its own."""
    words = [sys.executable, "-m", "tests.benchmarks.growth", "--one", what, str(count)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found: Point = json.loads(done.stdout.splitlines()[-1])
    print(what, count, found, flush=True)
    return found


def slope(counts: Sequence[int], values: Sequence[float]) -> float:
    """Of the last two points, on logarithmic axes: 1 for a straight line, 2 for a square."""
    return math.log(values[-1] / max(values[-2], 1e-9)) / math.log(counts[-1] / counts[-2])


def table(points: Mapping[int, Point], head: str) -> str:
    counts = list(points)
    lines = [f"| {head} | {' | '.join(f'{n:,}' for n in counts)} | slope |"]
    lines.append("| --- |" + " ---: |" * (len(counts) + 1))
    for name in points[counts[0]]:
        values = [points[n][name] for n in counts]
        written = " | ".join(
            f"{value:,.2f}" if value < 100 else f"{value:,.0f}" for value in values
        )
        lines.append(f"| {name} | {written} | {slope(counts, values):.2f} |")
    return "\n".join(lines)


def plot(runs: Mapping[int, Point], stores: Mapping[int, Point], path: Path) -> None:
    from matplotlib.figure import Figure

    panels = [(runs, ", s", "p-Models", "seconds"), (runs, ", MiB", "p-Models", "peak MiB")]
    panels.append((stores, ", s", "results in the store", "seconds"))
    figure = Figure(figsize=(13, 4), layout="constrained")
    for axes, (points, unit, below, beside) in zip(figure.subplots(1, 3), panels):
        counts = list(points)
        for name in points[counts[0]]:
            if name.endswith(unit):
                values = [points[n][name] for n in counts]
                axes.loglog(counts, values, "o-", label=name.removesuffix(unit))
        axes.set(xlabel=below, ylabel=beside)
        axes.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    parser.add_argument("--one", nargs=2, help="one measurement, printed as JSON: run or store, n")
    given = parser.parse_args()
    if given.one:
        what, count = given.one
        with TemporaryDirectory() as name:
            measure = {"run": of_run, "store": of_store}[what]
            print(json.dumps(measure(int(count), Path(name))))
        return
    p_models, entries = ((4, 8), (10, 20)) if given.tiny else (P_MODELS, ENTRIES)
    runs = {count: measured("run", count) for count in p_models}
    stores = {count: measured("store", count) for count in entries}
    text = f"{table(runs, 'p-Models')}\n\n{table(stores, 'results in the store')}\n"
    (given.folder / "growth.md").write_text(text, encoding="utf-8")
    plot(runs, stores, given.folder / "growth.png")
    print(text)


if __name__ == "__main__":
    main()

"""What a plan of a million p-Models costs before and between its stages: planning, choosing the
next stage, the store and its locks. No stage is computed: each is as if it were empty.

Run `python -m tests.benchmarks.plans [--p-models N --generators N --seeds N --shard N]`; prints a
table. The store's operations are measured on some stages, and what they cost for all is written
beside it. A run works through the plan in the process that plans it, and each worker plans once.
"""

from __future__ import annotations

import resource
import time
from argparse import ArgumentParser, Namespace
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

RECIPE = """\
name: plans
dataset: {{use: shapes, train: 7, test: 5}}
tasks: {{id: {tasks}, ood: 50}}
architecture: {{use: cnn}}
conditioner: {{use: hashed-ngrams}}
seeds: {seeds}
finetune: {{epochs: 1, shard: {shard}}}
generators:
{rows}
"""
ROW = "  - {{use: tina-dit, name: g{0}, steps: {1}, tokenizer: {{use: class-rows}}}}"
SAMPLE = 200  # stages that are stored


class Empty:
    """An executor whose stages take no time, with 16 workers."""

    slots, in_order = 16, False

    def submit(self, stage: Any) -> Future[Any]:
        from tina_kit.pipeline.workers.executor import Outcome

        future: Future[Any] = Future()
        future.set_result(Outcome(0.0))
        return future

    def events(self) -> tuple[()]:
        return ()

    def __enter__(self) -> Empty:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def planned(given: Namespace, folder: Path) -> Any:
    from tests.conftest import plan_of

    rows = "\n".join(ROW.format(number, 100 + number) for number in range(given.generators))
    path = folder / "plans.yaml"
    tasks = given.p_models // given.seeds
    text = RECIPE.format(tasks=tasks, seeds=list(range(given.seeds)), shard=given.shard, rows=rows)
    path.write_text(text)
    return plan_of(path, folder / "store")


def scheduled(plan: Any) -> int:
    """The stages that a run would have had computed."""
    from tina_kit.pipeline.workers.executor import InProcess
    from tina_kit.pipeline.workers.schedule import Schedule

    ended: list[Any] = []
    here = InProcess(lambda stage: 0.0)
    schedule = Schedule(
        Empty(),
        here,
        lambda stage: None,
        lambda stage, outcome: ended.append(stage),
        lambda event: None,
        lambda stage: None,
    )
    schedule.run(plan.stages)
    return len(ended)


def stored_ms(plan: Any) -> float:
    """Of one stage: its lock, its draft, its entry."""
    some = plan.stages[:SAMPLE]
    start = time.perf_counter()
    for stage in some:
        plan.store.ensure(
            stage.kind, stage.key, lambda draft: draft.save_json("x.json", 0), {}, cost={}
        )
    return 1000 * (time.perf_counter() - start) / len(some)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--p-models", type=int, default=1_000_000)
    parser.add_argument("--generators", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--shard", type=int, default=50)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    given = parser.parse_args()
    if given.tiny:
        given.p_models, given.generators, given.seeds, given.shard = 40, 2, 2, 10
    with TemporaryDirectory() as name:
        import torch  # noqa: F401

        before = peak_gib()
        wall, cpu = time.perf_counter(), time.process_time()
        plan = planned(given, Path(name))
        stages, key = plan.stages, plan.key
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        edges = sum(len(stage.after) for stage in stages)
        memory = peak_gib() - before
        start = time.process_time()
        assert scheduled(plan) == len(stages)
        scheduling = time.process_time() - start
        each = stored_ms(plan)
    rows = {
        "p-Models": f"{given.p_models:,}",
        "stages": f"{len(stages):,}",
        "arrows between them": f"{edges:,}",
        "planning, s": f"{wall:.1f} (CPU {cpu:.1f})",
        "planning, GiB": f"{memory:.2f} above {before:.2f}",
        "scheduling all, CPU s": f"{scheduling:.1f}",
        "a stage in the store, ms": f"{each:.1f}",
        "all stages in the store, min": f"{each * len(stages) / 60_000:.0f}",
        "locks taken": f"{len(stages):,}",
        "key": key,
    }
    print("| what | |\n| --- | ---: |")
    print("\n".join(f"| {what} | {value} |" for what, value in rows.items()))


if __name__ == "__main__":
    main()

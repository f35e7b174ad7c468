from collections.abc import Iterable, Mapping
from typing import Any

from tina_kit.api import Observer, RunInfo, hookimpl


class Diary(Observer):
    """Adds a line to `diary.txt`, beside the run folders, when a run ends."""

    def __init__(self, run: RunInfo) -> None:
        self.run, self.found = run, "no results"

    def result(self, results: Mapping[str, Any]) -> None:
        rows = [row for row in results["generators"] if row["split"] == "ood"]
        self.found = ", ".join(f"{row['generator']} {row['p_acc']:.1f}" for row in rows)

    def run_ended(self, status: str) -> None:
        with (self.run.folder.parent / "diary.txt").open("a", encoding="utf-8") as file:
            file.write(f"{self.run.folder.name} {status}: {self.found}\n")


@hookimpl
def tina_kit_observers(run: RunInfo) -> Iterable[Observer]:
    return [Diary(run)]

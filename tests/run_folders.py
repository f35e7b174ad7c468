"""Makes run folders by hand, for what only reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tina_kit.recipe import dump
from tina_kit.report.results import result_rows

CLASSES = ("red circle", "blue star", "grey ring", "dog", "cat")
TASKS = [[0, 1], [1, 2], [2, 3], [3, 4]]
TOTAL = 100  # test images of each class
Right = Mapping[str, Mapping[int, Mapping[str, Sequence[float]]]]
"""generator → seed → split → p-Acc of each task, in whole percent."""


def make_run(
    folder: Path,
    right: Right,
    tasks: Mapping[int, Mapping[str, Any]] | None = None,
    recipe: Mapping[str, Any] | None = None,
    images: str = "images-key",
    average: str = "images",
    **record: Any,
) -> Path:
    """A finished run. tasks: by seed and split, by default TASKS; recipe: options that differ from
    others; images: the key of its images; record: of `run.json`, in place of the usual."""
    seeds = sorted({seed for of in right.values() for seed in of})
    drawn = tasks or {seed: {"ood": TASKS, "id": TASKS} for seed in seeds}
    counts = {
        name: {
            str(seed): {split: _counted(some) for split, some in of.items()}
            for seed, of in of_seeds.items()
        }
        for name, of_seeds in right.items()
    }
    stages = [{"name": "images", "kind": "images", "key": images, "seed": None, "state": "cached"}]
    stages += [
        {
            "name": f"evaluate/{name}",
            "kind": "evaluate",
            "key": f"{name} {of_seeds[seed]}",
            "seed": seed,
            "state": "computed",
            "seconds": 1.5,
        }
        for name, of_seeds in right.items()
        for seed in of_seeds
    ]
    whole: dict[str, Any] = {
        "status": "done",
        "started": "2026-11-01T12:00:00+00:00",
        "ended": "2026-11-01T12:10:00+00:00",
        "name": "made",
        "key": "0a1b2c3d",
        "seeds": seeds,
        "command": ["tina-kit", "run", "made.yaml"],
        "device": "cpu",
        "precision": "fp32",
        "store": str(folder / "store"),
        "tina_kit": "0.1.0",
        "versions": {"python": "3.12.1", "torch": "2.14"},
        "plugins": ["tina-kit 0.1.0"],
        "components": {},
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "hardware": {"threads": 1, "cpu": "A CPU"},
        "data": {"classes": list(CLASSES), "superclasses": None},
        "stages": stages,
        **record,
    }
    resolved = {
        "name": whole["name"],
        "dataset": {"use": "tina-kit/shapes", "train": 40},
        "generic": {"epochs": 3},
        "generators": [{"name": name, "use": f"tina-kit/{name}"} for name in right],
        "studies": [],
        **(recipe or {}),
    }
    rows = result_rows(
        {name: list(of.values()) for name, of in counts.items()},
        {name: name for name in counts},
        average,  # type: ignore[arg-type]
    )
    results = {"on": "test", "average": average, "about": "", "generators": rows, "studies": {}}
    folder.mkdir(parents=True)
    (folder / "resolved.yaml").write_text(dump(resolved))
    for name, value in {
        "run.json": whole,
        "results.json": results,
        "evaluations.json": {
            "tasks": {str(seed): splits for seed, splits in drawn.items()},
            "counts": counts,
        },
    }.items():
        (folder / name).write_text(json.dumps(value))
    return folder


def _counted(accuracies: Sequence[float]) -> dict[str, list[list[int]]]:
    """Two classes a task; the first has all that is uneven."""
    correct = [
        [round(2 * value) // 2, round(2 * value) - round(2 * value) // 2] for value in accuracies
    ]
    return {"correct": correct, "total": [[TOTAL, TOTAL] for _ in accuracies]}

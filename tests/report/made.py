"""Hand-made facts of a run in which nothing is wrong, for rules and reports to be tried on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tina_kit.report.crossed import over_classes
from tina_kit.report.facts import Curve, Facts
from tina_kit.report.results import result_rows

BARE = {
    "generic": "generic",
    "selection": "classifier-selection",
    "tina": "tina-dit",
    "oracle": "oracle",
}
ACCURACY = {"generic": 0.3, "selection": 0.5, "tina": 0.6, "oracle": 0.65}
CLASSES = [
    f"{colour} {shape}"
    for colour in ("red", "blue", "green", "grey")
    for shape in ("bar", "star", "ring")
]


def counted(accuracy: Any, tasks: np.ndarray, images: int = 100, seed: int = 0) -> dict[str, Any]:
    """Right answers of that share of the images, a number or `(T, C)`, with a little spread."""
    random = np.random.default_rng(seed)
    shares = np.clip(accuracy + random.uniform(-0.05, 0.05, tasks.shape), 0, 1)
    total = np.full(tasks.shape, images)
    return {"correct": np.round(shares * total).astype(int).tolist(), "total": total.tolist()}


def tasks(count: int, seed: int) -> np.ndarray:
    """int64 `(count, 4)`: tasks of the twelve classes."""
    random = np.random.default_rng(seed)
    return np.array([random.permutation(len(CLASSES))[:4] for _ in range(count)])


def facts(
    accuracy: dict[str, Any] | None = None,
    known: dict[str, float] | None = None,
    bare: dict[str, str] | None = None,
    images: int = 100,
    ood: np.ndarray | None = None,
    **changes: Any,
) -> Facts:
    """accuracy, known: of generators on OOD and on ID tasks, in place of the usual; images: test
    images of a class; ood: other OOD tasks; changes: of other fields."""
    bare = BARE if bare is None else bare
    drawn = {"id": tasks(20, 1), "ood": tasks(30, 2) if ood is None else ood}
    new = {**ACCURACY, **(accuracy or {})}
    old = {**{name: float(np.mean(share)) for name, share in new.items()}, **(known or {})}
    counts = {
        name: {
            "0": {
                split: counted(shares[name], drawn[split], images, number)
                for split, shares in (("ood", new), ("id", old))
            }
        }
        for number, name in enumerate(bare)
    }
    evaluations = {
        "tasks": {"0": {split: rows.tolist() for split, rows in drawn.items()}},
        "counts": counts,
    }
    by_seed = {name: list(seeds.values()) for name, seeds in counts.items()}
    base = next((name for name, known in bare.items() if known == "classifier-selection"), None)
    made = Facts(
        rows=result_rows(by_seed, bare, "images"),
        evaluations=evaluations,
        average="images",
        over_classes=over_classes(evaluations, "images", base),
        recipe={
            "tasks": {"id": 20},
            "generic": {"epochs": 5},
            "finetune": {"epochs": 2, "learning_rate": 1e-3},
            "generators": [{"name": name, "steps": 1000} for name in bare],
        },
        bare=bare,
        readers=["tina"],
        classes=CLASSES,
        conditions=np.eye(len(CLASSES), dtype=np.float32),
        curves=[Curve("generic", 0, 0, flat()), Curve("fit/tina", 0, 0, flat())],
    )
    return replace(made, **changes)


def flat(value: float = 1.0, steps: int = 1000) -> list[tuple[int, float]]:
    """A curve of a training that has long been at its end."""
    random = np.random.default_rng(0)
    return [
        (int(step), float(value + random.normal(0, 0.02)))
        for step in np.linspace(steps / 100, steps, 100)
    ]


def falling(power: float = 0.5, steps: int = 1000) -> list[tuple[int, float]]:
    """A curve that falls as a power of the steps."""
    noise = np.random.default_rng(0).normal(0, 0.005, 100)
    return [
        (int(step), float(step**-power * (1 + other)))
        for step, other in zip(np.linspace(steps / 100, steps, 100), noise)
    ]

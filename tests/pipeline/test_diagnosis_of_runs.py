"""Real, tiny runs that the diagnosis objects to, and the same without the fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tina_kit
from tests.conftest import RECIPE, plan_of
from tina_kit.pipeline.run import Run
from tina_kit.report.diagnosis.rules import diagnose
from tina_kit.zoo.archive import read, write

Rules = Callable[..., list[str]]


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """What is found in a run of a recipe; stages are shared between the runs of a test."""

    def of(text: str, **options: object) -> list[str]:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        run = Run.start(plan_of(path, tmp_path / "store", **options), tmp_path / "runs", [])
        return [finding.rule for finding in run.execute().diagnosis]

    return of


def test_a_run_records_its_diagnosis_and_a_finished_one_gives_it(
    finished: tuple[Path, Path, Path],
) -> None:
    run = tina_kit.open_run(finished[2])
    written = json.loads((finished[2] / "results.json").read_text())["diagnosis"]
    assert written == [finding.plain() for finding in run.diagnosis]
    # One epoch, ten steps and five test images of a class.
    assert {"nothing-to-personalise", "few-images"} <= {finding.rule for finding in run.diagnosis}
    text = (finished[2] / "report.md").read_text()
    assert all(str(finding) in text for finding in run.diagnosis)


def test_a_run_folder_from_before_the_diagnosis_gets_the_same(
    finished: tuple[Path, Path, Path],
) -> None:
    run = tina_kit.open_run(finished[2])
    assert diagnose(run.facts) == run.diagnosis


@pytest.mark.slow
def test_a_loss_that_still_falls_is_found_and_one_that_does_not_is_not(rules: Rules) -> None:
    alone = (
        RECIPE[: RECIPE.index("  - {use: generic}")] + RECIPE[RECIPE.index("  - use: tina-dit") :]
    )
    steps = ["tasks.ood=2", "evaluation.id_tasks=1", "generators.tina-dit.steps=64"]
    rate = "generators.tina-dit.learning_rate"
    assert "still-falling" in rules(alone, sets=[*steps, f"{rate}=1e-3"])
    assert "still-falling" not in rules(alone, sets=[*steps, f"{rate}=1e-9"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [("01", "02", "03", "04", "05", "06"), ("apple", "pear", "fig", "nut", "lime", "plum")]
)
def test_folders_that_are_called_by_numbers_are_found(
    rules: Rules, tmp_path: Path, names: tuple[str, ...]
) -> None:
    random = np.random.default_rng(0)
    for name in names:
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    text = RECIPE.replace("{use: shapes, train: 10, test: 5}", "{use: image-folder, root: images}")
    text = text.replace("{id: 12, ood: 6}", "{id: 3, ood: 2, classes: 2}")
    assert ("no-words" in rules(text)) == (names[0] == "01")


@pytest.mark.slow
@pytest.mark.parametrize("aligned", [True, False])
def test_a_zoo_of_p_models_that_were_trained_apart_is_unaligned(
    rules: Rules, finished: tuple[Path, Path, Path], tmp_path: Path, aligned: bool
) -> None:
    tina_kit.export_zoo(finished[2], tmp_path / "exported")
    archive = read(tmp_path / "exported")
    random = torch.Generator().manual_seed(0)
    apart = torch.randn(archive.vectors.shape, generator=random) * archive.vectors.std()
    write(replace(archive, vectors=archive.vectors if aligned else apart), tmp_path / "zoo")
    found = rules(f"{RECIPE}zoo: {tmp_path / 'zoo'}\n")
    assert ("unaligned-zoo" in found) != aligned


@pytest.mark.slow
def test_a_learning_rate_that_is_far_too_high_makes_p_models_collapse(rules: Rules) -> None:
    better = ["generic.epochs=8", "generic.learning_rate=1e-2", "generic.batch_size=16"]
    # The generic model alone decides whether classifier selection collapses.
    rows = RECIPE[: RECIPE.index("  - use: tina-dit")]
    assert "collapsed" in rules(rows, sets=["generic.learning_rate=1.0"])
    assert "collapsed" not in rules(rows, sets=better)

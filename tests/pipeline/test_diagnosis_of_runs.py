"""Real, tiny runs that the diagnosis objects to, and the same without the fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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


FRUIT = ("apple", "pear", "fig", "nut", "lime", "plum", "kiwi", "date")


def draw(folder: Path, names: Sequence[str] = FRUIT, images: int = 30) -> str:
    """Draw images that differ by their colour, which is easily learned, and give the beginning of
    a recipe for them."""
    random = np.random.default_rng(0)
    for number, name in enumerate(names):
        (folder / "images" / name).mkdir(parents=True)
        shade = np.array([60 + 130 * (number >> channel & 1) for channel in range(3)])
        for place in range(images):
            pixels = shade + random.integers(-60, 60, (8, 8, 3))
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(folder / "images" / name / f"{place}.png")
    head = RECIPE[: RECIPE.index("  - {use: generic}")].replace(
        "id: 12, ood: 6", "id: 9, ood: 9, classes: 3"
    )
    return head.replace(
        "shapes, train: 10, test: 5, size: 16", "image-folder, root: images, size: 8"
    )


QUICK = ["generic.learning_rate=1e-2", "generic.batch_size=16", "finetune.learning_rate=1e-2"]
LONG = [*QUICK, "generic.epochs=15"]


@pytest.mark.slow
def test_a_generic_model_of_one_epoch_is_undertrained_and_leaves_much_to_personalise(
    rules: Rules, tmp_path: Path
) -> None:
    text = draw(tmp_path) + "  - {use: classifier-selection}\n  - {use: generic-plus, epochs: 6}\n"
    text += "  - {use: oracle}\n"
    tuned = [*QUICK, "finetune.epochs=6"]
    short, long = (set(rules(text, sets=sets)) for sets in (tuned, LONG))
    assert "generic-undertrained" in short and "nothing-to-personalise" not in short
    assert "generic-undertrained" not in long and "nothing-to-personalise" in long


@pytest.mark.slow
def test_a_generator_that_remembers_id_tasks_has_overfitted_and_a_mean_has_not(
    rules: Rules, tmp_path: Path
) -> None:
    text = draw(tmp_path) + "  - {use: classifier-selection}\n"
    assert "overfitted" in rules(f"{text}  - {{use: retrieval}}\n", sets=LONG)
    assert "overfitted" not in rules(f"{text}  - {{use: class-means}}\n", sets=LONG)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "ood", "found"), [(30, 9, {"few-images", "shared-images"}), (60, 2, set())]
)
def test_six_test_images_of_a_class_are_few_and_nine_tasks_of_eight_classes_share_them(
    rules: Rules, tmp_path: Path, images: int, ood: int, found: set[str]
) -> None:
    text = draw(tmp_path, images=images) + "  - {use: classifier-selection}\n"
    of_images = {"few-images", "shared-images"}
    assert of_images & set(rules(text, sets=[f"tasks.ood={ood}"])) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (FRUIT, set()),
        ([f"{number:02}" for number in range(8)], {"no-words"}),
        (["apple red", "red apple", *FRUIT[2:]], {"prompts-alike"}),
    ],
)
def test_folders_are_called_by_words_that_the_conditioner_can_tell_apart(
    rules: Rules, tmp_path: Path, names: Sequence[str], found: set[str]
) -> None:
    text = draw(tmp_path, names) + RECIPE[RECIPE.index("  - use: tina-dit") :]
    assert {"no-words", "prompts-alike"} & set(rules(text)) == found


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

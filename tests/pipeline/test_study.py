"""What a study asks for beyond the recipe's own evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tina_kit.api import Trial, UserError
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.study import variant_name

STUDY = (
    "studies=[{{use: sentence-prompts, name: sentences, generators: [tina-dit], "
    "sentences: {{use: hashed-ngrams, width: {}}}}}]"
)


def test_prompts_of_another_width_are_told_before_anything_is_trained(plan, tmp_path: Path) -> None:
    told = "studies.sentences: sentences gives vectors of 16 numbers, the recipe's .* of 256; the"
    for state in ("computed", "cached"):
        run = Run.start(plan(sets=[STUDY.format(16)]), tmp_path / "runs", [])
        with pytest.raises(UserError, match=told):
            run.execute()
        stages = [(stage["kind"], stage["state"]) for stage in run.record["stages"]]
        assert stages == [("images", state), ("conditions", state), ("conditions", state)]


def test_prompts_of_one_width_need_no_other_training(plan) -> None:
    before = {stage.name: stage.key for stage in plan().stages}
    after = {stage.name: stage.key for stage in plan(sets=[STUDY.format(256)]).stages}
    assert after.keys() - before.keys() == {"evaluate/tina-dit sentences tina-dit"}
    assert all(after[name] == key for name, key in before.items())


def test_classes_that_count_the_same_need_no_other_evaluation(plan, tmp_path: Path) -> None:
    plans = [plan(sets=sets) for sets in ([], ["evaluation.average=classes"])]
    runs = [Run.start(one, tmp_path / "runs", []) for one in plans]
    told = [run.execute().about for run in runs]
    assert {stage["state"] for stage in runs[1].record["stages"]} == {"cached"}
    assert ["All classes of a task count the same." in about for about in told] == [False, True]
    averages = [json.loads((run.folder / "results.json").read_text())["average"] for run in runs]
    assert averages == ["images", "classes"] and plans[0].key != plans[1].key


def test_how_p_acc_is_averaged_is_the_same_in_the_whole_run(plan) -> None:
    varied = "{use: variants, name: both, generators: [oracle], variants: {a: {%s: classes}}}"
    with pytest.raises(UserError, match=r"studies\.both: 'evaluation' belongs to the whole run"):
        _ = plan(sets=[f"studies=[{varied % 'evaluation.average'}]"]).stages


def test_stages_are_named_after_what_a_trial_changes() -> None:
    changed = {"generators.tina-dit.hidden_size": 512, "architecture.use": "resnet"}
    assert variant_name(Trial("a", 1, "tina-dit", changed)) == "hidden_size=512, use=resnet"
    assert variant_name(Trial("a", 1, "tina-dit", changed, variant="ResNet-20")) == "ResNet-20"

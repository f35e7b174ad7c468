"""Each rule of the diagnosis: facts that provoke it, and facts that do not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.report.made import BARE, CLASSES, facts, falling, flat, tasks
from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.diagnosis.rules import diagnose
from tina_kit.report.diagnosis.training import promise
from tina_kit.report.facts import Curve, Facts, ZooFacts

PLUS = {**BARE, "longer": "generic-plus"}


def found(of: Facts, rule: str) -> Finding | None:
    return next((each for each in diagnose(of) if each.rule == rule), None)


@pytest.fixture(scope="module")
def sound() -> Facts:
    return facts()


def test_of_a_sound_run_it_only_says_that_tasks_share_images(sound: Facts) -> None:
    assert [finding.rule for finding in diagnose(sound)] == ["shared-images"]


def test_a_run_that_only_tries_every_stage_is_told_first(sound: Facts) -> None:
    first, *others = diagnose(replace(sound, profile="smoke"))
    assert first.rule == "trial" and "mean nothing" in first.what and others == diagnose(sound)


def test_every_finding_says_what_with_figures_and_a_remedy() -> None:
    names = [str(number) for number in range(12)]
    ill = facts(
        accuracy={"tina": 0.5, "oracle": 0.5},
        known={"tina": 0.8},
        images=6,
        classes=names,
        conditions=np.ones((12, 3), np.float32),
        curves=[Curve("generic", 0, 0, falling()), Curve("fit/tina", 0, 0, falling())],
        zoo=ZooFacts(50, 0.02),
    )
    rules = [finding.rule for finding in diagnose(ill)]
    assert rules == [
        "unaligned-zoo",
        "no-words",
        "prompts-alike",
        "nothing-to-personalise",
        "generic-undertrained",
        "overfitted",
        "still-falling",
        "few-images",
        "shared-images",
    ]
    for finding in diagnose(ill):
        assert any(sign.isdigit() for sign in finding.evidence), finding
        assert finding.what.endswith(".") and finding.remedy.endswith("."), finding
        assert Finding(**finding.plain()) == finding  # type: ignore[arg-type]


def test_a_loss_that_still_falls_suggests_steps(sound: Facts) -> None:
    finding = found(replace(sound, curves=[Curve("fit/tina", 0, 0, falling())]), "still-falling")
    assert finding is not None
    assert "--set generators.tina.steps=8000" in finding.remedy
    assert found(sound, "still-falling") is None


@pytest.mark.parametrize("power", [0.2, 0.5, 1.0])
def test_the_promise_of_a_power_law_is_what_it_would_take_off(power: float) -> None:
    told = promise(falling(power))
    assert told is not None
    # Of a power law every doubling takes off the same share of the loss; the estimate assumes
    # that it takes off as many times what the one before did, which is the same.
    assert told.gains[0] == pytest.approx(1 - 2**-power, abs=0.03)
    assert told.gains[1] == pytest.approx(1 - 2**-power, abs=0.06)


def test_a_loss_that_falls_ever_faster_is_not_promised_to_fall_below_zero() -> None:
    """As in a short training, whose loss falls from 0.77 to 0.2 in the second half of its steps."""
    found = promise([(step, math.exp(-((step / 40) ** 1.5))) for step in range(1, 97)])
    assert found is not None
    took, promised = found.gains
    assert 0.7 < took < 1 and 0.7 < promised < 1


def test_nothing_is_promised_by_noise_or_few_points_or_a_curve_that_has_levelled_off() -> None:
    assert promise(flat()) is None
    assert promise(falling()[:10]) is None
    assert promise([(step, 0.5 + loss**4) for step, loss in falling(1.0)]) is None
    rising = [(step, 2 - loss) for step, loss in falling()]
    assert promise(rising) is None


def test_seeds_are_judged_together(sound: Facts) -> None:
    curves = [Curve("fit/tina", seed, 0, falling()) for seed in (0, 1)]
    rules = [finding.rule for finding in diagnose(replace(sound, curves=curves))]
    assert rules.count("still-falling") == 1


def test_a_generic_model_that_more_training_improves_is_undertrained() -> None:
    finding = found(facts({"longer": 0.55}, bare=PLUS), "generic-undertrained")
    assert finding is not None and finding.level == "bad"
    assert "+5." in finding.evidence or "+4." in finding.evidence


def test_one_that_more_training_does_not_improve_is_not_whatever_its_loss_does() -> None:
    curves = [Curve("generic", 0, 0, falling())]
    trained = facts({"longer": 0.45}, bare=PLUS, curves=curves)
    assert found(trained, "generic-undertrained") is None


def test_without_a_row_that_trains_on_its_loss_says_so(sound: Facts) -> None:
    curves = [Curve("generic", 0, 0, falling())]
    finding = found(replace(sound, curves=curves), "generic-undertrained")
    assert finding is not None and finding.level == "note"
    assert "generic.epochs: 40" in finding.remedy and "generic-plus" in finding.remedy
    assert found(sound, "generic-undertrained") is None


def test_a_generator_far_better_on_id_tasks_has_overfitted() -> None:
    finding = found(facts(known={"tina": 0.8}), "overfitted")
    assert finding is not None and "tasks.id is 20" in finding.remedy
    assert "20.0 ± 1.2 less" in finding.evidence


def test_tasks_that_are_easier_for_all_are_no_overfitting() -> None:
    easier = {"generic": 0.5, "selection": 0.7, "tina": 0.8, "oracle": 0.85}
    assert found(facts(known=easier), "overfitted") is None


def test_an_oracle_no_better_than_selection_leaves_nothing_to_personalise(sound: Facts) -> None:
    finding = found(facts({"oracle": 0.5}), "nothing-to-personalise")
    assert finding is not None and "learning_rate: 0.001" in finding.remedy
    assert found(sound, "nothing-to-personalise") is None


def test_p_models_that_always_answer_one_class_have_collapsed(sound: Facts) -> None:
    always = np.tile([1.05, -0.05, -0.05, -0.05], (30, 1))
    finding = found(facts({"tina": always}), "collapsed")
    assert finding is not None and finding.what.startswith("100% of tina's p-Models give one")
    assert "clip" in finding.remedy
    assert found(sound, "collapsed") is None


def test_if_baselines_collapse_it_is_not_the_generator_that_is_blamed() -> None:
    always = np.tile([1.05, -0.05, -0.05, -0.05], (30, 1))
    finding = found(facts({"selection": always, "tina": always}), "collapsed")
    assert finding is not None and "generic.epochs" in finding.remedy


def test_classes_of_a_few_test_images_are_too_few() -> None:
    finding = found(facts(images=6), "few-images")
    assert finding is not None and "17 points" in finding.evidence
    assert found(facts(images=40), "few-images") is None


def test_a_gain_that_other_classes_might_not_show_needs_more_images() -> None:
    # It gains on one class alone, whose images count in every task.
    drawn = np.sort(tasks(30, 2), axis=1)
    gain = np.full(drawn.shape, 0.5)
    gain[drawn == 0] = 1.05
    drawn[:, 0] = 0
    gain[:, 0] = 1.05
    finding = found(facts({"tina": gain}, ood=drawn), "few-images")
    assert finding is not None and "times as many" in finding.evidence


def test_tasks_that_share_no_images_are_independent() -> None:
    apart = np.arange(12).reshape(3, 4)
    assert found(facts(ood=apart), "shared-images") is None
    finding = found(facts(), "shared-images")
    assert finding is not None and "each in 10.0 tasks" in finding.evidence


@pytest.mark.parametrize("name", ["7", "n02084071", "class_3", "Category 12", "c4", "007", "-"])
def test_names_that_are_no_words_are_found(sound: Facts, name: str) -> None:
    names = [*CLASSES[:9], f"{name}", f"{name}1" if name != "n02084071" else name, name]
    assert found(replace(sound, classes=names), "no-words") is not None


def test_words_with_numbers_are_words(sound: Facts) -> None:
    names = ["boeing 747", "ak47", "class", "7up", "mp3 player", "no", "id card", *CLASSES[7:]]
    assert found(replace(sound, classes=names), "no-words") is None


def test_names_do_not_matter_where_no_generator_reads_them(sound: Facts) -> None:
    names = [str(number) for number in range(12)]
    assert found(replace(sound, classes=names, readers=[]), "no-words") is None


def test_prompts_that_are_nearly_the_same_are_too_alike(sound: Facts) -> None:
    conditions = np.eye(12, dtype=np.float32)
    conditions[3] = conditions[2] + 0.01
    finding = found(replace(sound, conditions=conditions), "prompts-alike")
    assert finding is not None and f"{CLASSES[2]} / {CLASSES[3]}" in finding.evidence
    assert "1 pair of" in finding.evidence
    assert found(sound, "prompts-alike") is None


def test_prompts_that_share_most_of_their_direction_are_not_alike_for_that(sound: Facts) -> None:
    conditions = 20 + np.eye(12, dtype=np.float32)
    assert found(replace(sound, conditions=conditions), "prompts-alike") is None


def test_a_zoo_without_a_common_model_is_unaligned(sound: Facts) -> None:
    assert found(replace(sound, zoo=ZooFacts(50, 0.03)), "unaligned-zoo") is not None
    assert found(replace(sound, zoo=ZooFacts(50, 0.97)), "unaligned-zoo") is None
    assert found(sound, "unaligned-zoo") is None

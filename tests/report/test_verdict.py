"""The verdict of a report says what its intervals allow, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.report.made import BARE, counted, facts, tasks
from tina_kit.report.document.verdict import verdict
from tina_kit.report.facts import Facts


def shuffled(of: Facts, p_acc: float) -> Facts:
    row = {**(of.row("tina", "ood") or {}), "split": "shuffled", "p_acc": p_acc}
    drawn = np.array(of.evaluations["tasks"]["0"]["ood"])
    counts = of.evaluations["counts"]
    tests = {**counts["tina"]["0"], "shuffled": counted(p_acc / 100, drawn, seed=9)}
    evaluations = {**of.evaluations, "counts": {**counts, "tina": {"0": tests}}}
    return replace(of, rows=[*of.rows, row], evaluations=evaluations)


def test_a_gain_whose_interval_is_above_zero_is_one() -> None:
    level, summary, more = verdict(facts())
    assert level == "good" and summary.startswith("tina is better than selection, by 9.")
    assert "on 30 OOD tasks" in summary
    assert more[0].startswith("It closes 6") and "of the gap to the oracle" in more[0]
    assert "This also holds over other classes and images" in more[1]


def test_one_whose_interval_holds_zero_is_none_and_closes_no_gap() -> None:
    level, summary, more = verdict(facts({"tina": 0.501}))
    assert level == "note" and summary.startswith("tina cannot be told apart from selection")
    assert not any("gap" in text for text in more)


def test_a_loss_is_bad() -> None:
    level, summary, _ = verdict(facts({"tina": 0.4}))
    assert level == "bad" and summary.startswith("tina is worse than selection, by 10.")


def test_a_gain_that_a_single_class_makes_need_not_hold_elsewhere() -> None:
    drawn = tasks(30, 2)
    drawn[:, 0] = 0
    gain = np.full(drawn.shape, 0.5)
    gain[:, 0] = 1.05
    _, _, more = verdict(facts({"tina": gain}, ood=drawn))
    assert any("need not hold over other classes" in text for text in more)


def test_prompts_in_a_wrong_order_must_fall_to_guessing() -> None:
    made = facts()
    assert any("do what their prompts say" in t for t in verdict(shuffled(made, 25.3))[2])
    assert any("does not depend on the prompts" in t for t in verdict(shuffled(made, 40.0))[2])


def test_a_generator_at_chance_is_not_said_to_do_what_its_prompts_say() -> None:
    [told] = [
        text for text in verdict(shuffled(facts({"tina": 0.255}), 25.3))[2] if "prompts" in text
    ]
    assert "cannot be shown" in told and "(guessing: 25.0)" in told


def test_nor_one_that_wrong_prompts_do_not_change() -> None:
    made = shuffled(facts(), 60.0)
    assert any("cannot be shown: it reaches" in text for text in verdict(made)[2])


def test_what_more_training_would_give_is_set_against_it() -> None:
    _, _, more = verdict(facts({"longer": 0.65}, bare={**BARE, "longer": "generic-plus"}))
    [against] = [text for text in more if text.startswith("Against longer")]
    assert "it gains -" in against


def test_a_run_of_baselines_names_the_best() -> None:
    bare = {name: component for name, component in BARE.items() if name != "tina"}
    level, summary, _ = verdict(facts(bare=bare, readers=[]))
    assert level == "note" and "the best is oracle" in summary

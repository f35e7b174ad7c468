"""Means, intervals and rows of the table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from tina_kit.report.results import accuracies, guesses, result_rows
from tina_kit.report.statistics import gap_closed, holm, mean_estimate, p_of_zero
from tina_kit.report.table import Table, caption, cells, header, markdown

RANDOM = np.random.default_rng(0)


def test_one_seed_has_students_interval_over_tasks() -> None:
    values = RANDOM.normal(60, 5, 150)
    estimate = mean_estimate([values])
    low, high = stats.t.interval(0.95, 149, values.mean(), stats.sem(values))
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((values.mean(), low, high))


def test_several_seeds_have_students_interval_over_their_means() -> None:
    seeds = [RANDOM.normal(60 + shift, 5, 150) for shift in range(3)]
    estimate = mean_estimate(seeds)
    means = np.array([seed.mean() for seed in seeds])
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((means.mean(), low, high))


@pytest.mark.parametrize("tasks", [2, 3, 10, 150])
def test_the_p_value_is_students(tasks: int) -> None:
    for shift in (0, 0.3, 3):
        values = RANDOM.normal(shift, 1, tasks)
        assert p_of_zero([values]) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-12)
        estimate = mean_estimate([values])
        assert (p_of_zero([values]) < 0.05) == (not estimate.low <= 0 <= estimate.high)
    seeds = [RANDOM.normal(1, 1, tasks) for _ in range(3)]
    means = [seed.mean() for seed in seeds]
    assert p_of_zero(seeds) == pytest.approx(stats.ttest_1samp(means, 0).pvalue, abs=1e-12)


def test_differences_that_never_vary_are_certain() -> None:
    assert p_of_zero([np.zeros(5)]) == 1
    assert p_of_zero([np.ones(5)]) == 0
    assert math.isnan(p_of_zero([np.ones(1)]))


def test_holms_correction() -> None:
    # By hand: 3 x 0.01, 2 x 0.03, and 0.04 is not below the one before it.
    assert holm([0.04, math.nan, 0.01, 0.03])[0] == pytest.approx(0.06)
    assert holm([0.01, 0.03, 0.04]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert math.isnan(holm([math.nan])[0])


def test_one_value_has_no_interval() -> None:
    estimate = mean_estimate([np.array([50.0])])
    assert estimate.mean == 50 and math.isnan(estimate.low)


def test_the_gap_closed_is_the_way_from_low_to_high() -> None:
    low = RANDOM.normal(50, 5, 200)
    closed = gap_closed([low + 3], [low], [low + 4])
    assert (closed.mean, closed.low, closed.high) == pytest.approx((75, 75, 75))
    noisy = gap_closed([low + 3 + RANDOM.normal(0, 2, 200)], [low], [low + 4])
    assert noisy.low < noisy.mean < noisy.high


def test_no_gap_that_is_surely_there_is_no_number() -> None:
    same = np.full(10, 50.0)
    assert math.isnan(gap_closed([same], [same], [same]).mean)
    low = RANDOM.normal(50, 5, 100)
    doubtful = low + RANDOM.normal(0.02, 2, 100)  # may as well lie below
    assert math.isnan(gap_closed([low], [low], [doubtful]).mean)
    assert math.isnan(gap_closed([low - 1], [low], [low - 2]).mean)


def test_a_gap_that_students_interval_calls_doubtful_is_left_out() -> None:
    way = np.array([0.0, 0.1, 0.2, 0.1, 0.1, 9.0])  # no resample is below 0, the t-interval is
    assert mean_estimate([way]).low < 0 < way.min() + 0.01
    assert math.isnan(gap_closed([way / 2], [way * 0], [way]).mean)


def test_the_gaps_interval_is_over_seeds_where_there_are_several() -> None:
    gains = [1, 2, 3, 2, 2]  # seeds differ, tasks do not
    low = [np.full(50, 50.0)] * 5
    value = [np.full(50, 50.0 + gain) for gain in gains]
    closed = gap_closed(value, low, [np.full(50, 54.0)] * 5)
    assert closed.mean == pytest.approx(50)
    assert 25 <= closed.low < 50 < closed.high <= 75
    few = gap_closed(value[:3], low[:3], [np.full(50, 54.0)] * 3)
    assert few.mean == pytest.approx(50) and math.isnan(few.low)


def counts(correct: list[int]) -> dict[str, list[list[int]]]:
    """Tasks of two classes of 50 images each."""
    return {
        "correct": [[right // 2, right - right // 2] for right in correct],
        "total": [[50, 50]] * len(correct),
    }


def rows(seeds: int = 1) -> list[dict]:
    tests = {
        "generic": {"ood": counts([10, 12]), "id": counts([9, 11])},
        "classifier-selection": {"ood": counts([50, 60]), "id": counts([51, 61])},
        "mine": {
            "ood": counts([54, 62]),
            "id": counts([55, 64]),
            "shuffled": counts([10, 9]),
            "gibberish": counts([11, 12]),
            "other-layers": counts([52, 61]),
            "mean-layers": counts([53, 61]),
        },
        "oracle": {"ood": counts([54, 64]), "id": counts([56, 66])},
    }
    bare = {name: name for name in tests} | {"mine": "tina-dit"}
    return result_rows({name: [test] * seeds for name, test in tests.items()}, bare, "images")


def row(name: str, split: str) -> dict:
    return next(r for r in rows() if (r["generator"], r["split"]) == (name, split))


def test_rows_hold_means_intervals_and_differences_on_the_same_tasks() -> None:
    mine = row("mine", "ood")
    assert (mine["p_acc"], mine["tasks"], mine["seeds"]) == (58, 2, 1)
    assert mine["vs_selection"]["mean"] == 3
    assert mine["gap_closed"]["mean"] == 75
    assert row("mine", "shuffled")["vs_selection"]["mean"] == -45.5
    assert row("chance", "ood")["p_acc"] == 50


def test_of_a_gain_the_prompts_give_what_another_tasks_layers_lose() -> None:
    told = {(r["generator"], r["split"]): r["from_prompts"] for r in rows() if "from_prompts" in r}
    (lost,) = told.values()
    assert told.keys() == {("mine", "ood")}
    assert lost["mean"] == 1.5 and lost["ci95"][0] < 1.5 < lost["ci95"][1]  # [2, 1], by task
    assert row("mine", "other-layers")["vs_selection"]["mean"] == 1.5
    assert "another task's layers: mine +1.5 ± 6.4 (of a gain of 3.0). On." in caption(
        rows(), "On."
    )


def test_the_prompts_part_is_told_without_selection_and_on_id_tasks_too() -> None:
    alone = {"id": counts([54, 62]), "other-layers": counts([52, 61])}
    found = result_rows({"mine": [alone]}, {"mine": "tina-dit"}, "images")
    assert found[0]["from_prompts"]["mean"] == 1.5
    assert "layers: mine +1.5 ± 6.4. On." in caption(found, "On.")


def test_a_table_without_the_control_says_nothing_of_prompts() -> None:
    found = result_rows({"mine": [{"ood": counts([54])}]}, {"mine": "tina-dit"}, "images")
    assert "from_prompts" not in found[0] and "Prompts give" not in caption(found, "On.")


def plus_rows(seeds: Sequence[int] = (0,)) -> list[dict]:
    """With a generic model trained for longer; a seed is added to the right answers of mine."""

    def tests(seed: int) -> dict[str, dict]:
        return {
            "classifier-selection": {"ood": counts([50, 60])},
            "generic+": {"ood": counts([51, 63]), "id": counts([50, 60])},
            "mine": {"ood": counts([54 + seed, 62 + seed]), "shuffled": counts([10, 9])},
            "oracle": {"ood": counts([54, 64])},
        }

    names = {name: [tests(seed)[name] for seed in seeds] for name in tests(0)}
    bare = {name: name for name in names} | {"generic+": "generic-plus", "mine": "tina-dit"}
    return result_rows(names, bare, "images")


def test_gains_over_a_generic_model_trained_for_longer_are_paired_over_the_tasks() -> None:
    table = Table(plus_rows(), "")
    mine = table.row("mine")
    assert mine["vs_selection"]["mean"] == 3 and mine["vs_generic_plus"]["mean"] == 1
    low, high = stats.t.interval(0.95, 1, 1, stats.sem([3, -1]))
    assert mine["vs_generic_plus"]["ci95"] == pytest.approx([low, high])
    assert table.row("mine", "shuffled")["vs_generic_plus"]["mean"] == -47.5
    assert table.row("classifier-selection")["vs_generic_plus"]["mean"] == -2
    plus = table.row("generic+")
    assert plus["vs_selection"]["mean"] == 2 and "vs_generic_plus" not in plus
    several = Table(plus_rows((0, 2, 4)), "").row("mine")["vs_generic_plus"]
    low, high = stats.t.interval(0.95, 2, 3, stats.sem([1, 3, 5]))
    assert several == {"mean": 3, "ci95": pytest.approx([low, high])}


def test_the_table_has_a_column_for_gains_over_it_only_where_there_is_one() -> None:
    table, plain = Table(plus_rows(), "On."), Table(rows(), "On.")
    head, *lines = markdown(table.rows).splitlines()
    assert head == "| generator | OOD p-Acc | ID p-Acc | vs selection | vs generic+ | gap closed |"
    assert {line.count("|") for line in lines} == {7}
    mine = next(line for line in cells(table) if line[0] == "mine")
    assert mine[3].startswith("+3.0 ±") and mine[4].startswith("+1.0 ±")
    assert "generic model trained for longer; the smaller of both" in table.caption
    assert "<th>vs generic+</th>" in table._repr_html_() and "vs generic+" in str(table)
    for text in (str(plain), plain._repr_html_(), markdown(plain.rows), plain.caption):
        assert "generic+" not in text
    assert header(plain.rows) == (
        "generator",
        "OOD p-Acc",
        "ID p-Acc",
        "vs selection",
        "gap closed",
    )


def test_the_gap_is_told_only_of_methods_between_its_ends() -> None:
    for found in (rows(), plus_rows()):
        assert {r["generator"] for r in found if "gap_closed" in r} == {"mine"}


def test_the_table_shows_every_generator_its_controls_and_chance() -> None:
    names = [line[0].strip() for line in cells(rows())]
    assert names == [
        "generic",
        "classifier-selection",
        "mine",
        "shuffled prompts",
        "gibberish prompts",
        "another task's layers",
        "mean of all tasks' layers",
        "oracle",
        "chance",
    ]
    assert "75% [" in str(Table(rows(), "")) and "| mine |" in markdown(rows())


UNEQUAL = {"correct": [[80, 0, 5], [40, 10, 0]], "total": [[80, 10, 10], [50, 50, 0]]}


def test_a_tasks_accuracy_counts_its_images_or_its_classes_alike() -> None:
    assert accuracies(UNEQUAL, "images").tolist() == [85, 50]
    assert accuracies(UNEQUAL, "classes").tolist() == pytest.approx([50, 50])


def test_guessing_the_largest_class_reaches_more_than_chance_by_images_alone() -> None:
    by_image, by_class = (guesses([UNEQUAL], average) for average in ("images", "classes"))
    assert by_image["chance"] == by_class["chance"]
    assert by_image["chance"].mean == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)
    assert by_image["largest class"].mean == 65 and "largest class" not in by_class
    equal = {"correct": [[0, 0]], "total": [[7, 7]]}
    assert guesses([equal], "images").keys() == {"chance"}


@pytest.mark.parametrize("split", ["ood", "id"])
def test_the_table_tells_what_guessing_reaches_on_the_tasks_that_it_shows(split) -> None:
    found = result_rows({"mine": [{split: UNEQUAL}]}, {"mine": "tina-dit"}, "images")
    assert [(r["generator"], r["split"]) for r in found] == [
        (name, split) for name in ("mine", "chance", "largest class")
    ]
    assert found[2]["p_acc"] == 65 and found[2]["ci95"] is not None
    assert f"over 2 {split.upper()} tasks" in caption(found, "On.")


def test_the_caption_says_over_what_the_interval_is() -> None:
    assert "interval over tasks" in caption(rows(), "On.")
    several = caption(rows(seeds=2), "On.")
    assert "2 seeds" in several and "interval over seeds" in several and several.endswith("On.")

"""Runs are compared on the tasks that they share, and what differs besides is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import tina_kit
from tests.run_folders import CLASSES, TASKS, make_run
from tina_kit.api import UserError

RANDOM = np.random.default_rng(0)
MANY = [[a, b] for a in range(5) for b in range(5) if a != b]  # 20 tasks


def percent(tasks: int = 4, around: float = 60) -> list[float]:
    return [round(2 * value) / 2 for value in RANDOM.normal(around, 5, tasks)]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, right: Any, **options: Any) -> Path:
        return make_run(tmp_path / name, right, **options)

    return make


def one_seed(**right: list[float]) -> Any:
    return {name: {0: {"ood": values}} for name, values in right.items()}


# Paired differences.


def test_one_seed_gives_the_paired_t_interval_over_tasks(make) -> None:
    tasks = {0: {"ood": MANY}}
    first, second = percent(20, 60), percent(20, 63)
    runs = [
        make("a", one_seed(tina=first), tasks=tasks),
        make("b", one_seed(tina=second), tasks=tasks),
    ]
    (pair,) = tina_kit.compare(runs).pairs
    by_hand = stats.ttest_rel(second, first)
    low, high = by_hand.confidence_interval(0.95)
    assert pair["difference"] == pytest.approx(np.mean(second) - np.mean(first))
    assert pair["difference_ci95"] == pytest.approx([low, high])
    assert pair["p"] == pytest.approx(by_hand.pvalue) and pair["p_holm"] == pair["p"]
    assert (pair["tasks"], pair["seeds"], pair["split"]) == (20, 1, "ood")


def test_several_seeds_give_the_interval_over_their_means(make) -> None:
    first, second = ({seed: {"ood": percent()} for seed in range(3)} for _ in "ab")
    runs = [make("a", {"tina": first}), make("b", {"tina": second})]
    (pair,) = tina_kit.compare(runs).pairs
    gains = [np.mean(second[seed]["ood"]) - np.mean(first[seed]["ood"]) for seed in range(3)]
    by_hand = stats.ttest_1samp(gains, 0)
    low, high = by_hand.confidence_interval(0.95)
    assert pair["difference_ci95"] == pytest.approx([low, high])
    assert pair["p"] == pytest.approx(by_hand.pvalue)
    assert (pair["tasks"], pair["seeds"]) == (12, 3)
    assert "3 × 4 OOD" in str(tina_kit.compare(runs))


def test_tasks_are_shared_if_their_classes_and_order_are_the_same(make) -> None:
    other = [[1, 0], [2, 3], [1, 2]]  # the first is another task
    runs = [
        make("a", one_seed(tina=[50, 60, 70, 80]), tasks={0: {"ood": TASKS}}),
        make("b", one_seed(tina=[10, 75, 61]), tasks={0: {"ood": other}}),
    ]
    found = tina_kit.compare(runs)
    (pair,) = found.pairs
    assert pair["tasks"] == 2
    assert (pair["first_mean"], pair["second_mean"]) == (65, 68)
    assert found.remarks == ["A and B share 2 of their 4 and 3 OOD tasks."]


def test_classes_are_the_same_by_name_whatever_their_place(make) -> None:
    data = {"classes": list(CLASSES[::-1]), "superclasses": None}
    turned = {0: {"ood": [[4 - place for place in task] for task in TASKS]}}
    runs = [
        make("a", one_seed(tina=percent()), tasks={0: {"ood": TASKS}}),
        make("b", one_seed(tina=percent()), tasks=turned, data=data),
    ]
    found = tina_kit.compare(runs)
    assert found.pairs[0]["tasks"] == 4
    assert [each["key"] for each in found.differences] == ["order of the classes"]


def test_holms_correction_is_for_all_comparisons_on_a_split(make) -> None:
    names = ("tina", "mlp", "linear")
    tasks = {0: {"ood": MANY, "id": MANY}}

    def right(shift: float) -> Any:
        return {n: {0: {"ood": percent(20, 60 + shift), "id": percent(20)}} for n in names}

    runs = [make(name, right(shift), tasks=tasks) for name, shift in (("a", 0), ("b", 3))]
    pairs = [pair for pair in tina_kit.compare(runs).pairs if pair["split"] == "ood"]
    p = sorted(pair["p"] for pair in pairs)
    by_hand = np.maximum.accumulate(np.minimum(1, np.array(p) * [3, 2, 1]))
    assert sorted(pair["p_holm"] for pair in pairs) == pytest.approx(by_hand)


def test_what_is_equal_in_every_task_is_not_tested(make) -> None:
    same = percent()
    runs = [make(name, one_seed(generic=same, tina=percent())) for name in "ab"]
    found = tina_kit.compare(runs)
    generic, tina = found.pairs
    assert generic["same"] and generic["p"] is None and generic["difference"] == 0
    assert tina["p_holm"] == tina["p"]
    assert "B equals A in every shared task: generic." in found.words()


def test_rows_of_any_name_can_be_compared_also_in_one_run(make) -> None:
    tina, mlp = percent(), percent()
    folder = make("a", one_seed(tina=tina, mlp=mlp))
    (pair,) = tina_kit.compare([f"{folder}:tina", f"{folder}:mlp"]).pairs
    assert pair["difference"] == pytest.approx(np.mean(mlp) - np.mean(tina))
    with pytest.raises(UserError, match="it has no generator 'tin'; it has tina, mlp"):
        tina_kit.compare([f"{folder}:tin", f"{folder}:mlp"])


def test_each_further_run_is_compared_with_the_first(make) -> None:
    runs = [make(name, one_seed(tina=percent())) for name in "abc"]
    found = tina_kit.compare(runs)
    assert [(pair["first"], pair["second"]) for pair in found.pairs] == [("A", "B"), ("A", "C")]


def test_different_averages_are_told_and_the_first_counts(make) -> None:
    runs = [
        make("a", one_seed(tina=percent())),
        make("b", one_seed(tina=percent()), average="classes"),
    ]
    found = tina_kit.compare(runs)
    assert "A by images, B by classes" in found.remarks[0]
    assert len(found.pairs) == 1


# Where there is nothing to pair.


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"images": "other-key", "recipe": {"dataset": {"use": "tina-kit/shapes", "train": 9}}},
            "A and B have different test images (dataset.train: 40, 9)",
        ),
        ({"images": "other-key"}, "test images (the content of the data set differs)"),
        ({"tasks": {0: {"ood": [[4, 0]] * 4}}}, "A and B share no OOD tasks"),
    ],
)
def test_without_shared_tasks_or_images_there_is_no_interval(make, change, told: str) -> None:
    first = make("a", one_seed(tina=percent()), tasks={0: {"ood": TASKS}})
    second = make("b", one_seed(tina=percent()), **{"tasks": {0: {"ood": TASKS}}, **change})
    found = tina_kit.compare([first, second])
    assert found.pairs == []
    (remark,) = found.remarks
    assert told in remark and "no paired differences" in remark
    assert remark in found.words() and remark in found.html()


def test_other_seeds_and_other_generators_are_told(make) -> None:
    first = make("a", one_seed(tina=percent()))
    seed = make("b", {"tina": {7: {"ood": percent()}}})
    row = make("c", one_seed(mlp=percent()))
    found = tina_kit.compare([first, seed, row])
    assert found.pairs == []
    assert "A and B share no seed (0; 7), and so no tasks" in found.remarks[0]
    assert found.remarks[1] == "A and C share no generator. Choose one of each as RUN:ROW."


# What differs.


def test_differences_are_told_by_kind_and_dotted_key(make) -> None:
    tina = {"name": "tina", "use": "tina-kit/tina-dit", "depth": 2}
    runs = [
        make("a", one_seed(tina=percent()), recipe={"generators": [tina]}),
        make(
            "b",
            one_seed(tina=percent()),
            recipe={
                "generators": [{**tina, "depth": 4}, {"name": "mlp", "use": "tina-kit/mlp"}],
                "generic": {"epochs": 5},
                "description": "told nowhere",
            },
            versions={"python": "3.12.1", "torch": "2.15"},
            device="cuda",
        ),
    ]
    found = tina_kit.compare(runs)
    told = {(d["kind"], d["key"]): d["values"] for d in found.differences}
    assert told == {
        ("recipe", "generic.epochs"): {"A": 3, "B": 5},
        ("recipe", "generators.tina.depth"): {"A": 2, "B": 4},
        ("recipe", "generators.mlp"): {"B": "tina-kit/mlp"},
        ("versions", "torch"): {"A": "2.14", "B": "2.15"},
        ("hardware", "device"): {"A": "cpu", "B": "cuda"},
    }
    text = "\n".join(found.lines())
    assert re.search(r"generators\.mlp +– +tina-kit/mlp", text)
    assert "The same: data" in text


def test_a_key_that_an_older_run_lacks_has_its_default(make) -> None:
    run = one_seed(tina=percent())
    older = make("older", run, recipe={"evaluation": {"on": "test"}})
    newer = make("newer", run, recipe={"evaluation": {"on": "test", "curve": 0}})
    other = make("other", run, recipe={"evaluation": {"on": "test", "curve": 5}})
    assert not tina_kit.compare([older, newer]).differences
    [curve] = tina_kit.compare([older, other]).differences
    assert (curve["key"], curve["values"]) == ("evaluation.curve", {"A": 0, "B": 5})


def test_of_different_components_only_shared_options_are_told(make) -> None:
    datasets = (
        {"use": "tina-kit/shapes", "train": 40, "seed": 0},
        {"use": "tina-kit/caltech101", "split_seed": 1, "seed": 3},
    )
    runs = [
        make(name, one_seed(tina=percent()), recipe={"dataset": dataset}, images=name)
        for name, dataset in zip("ab", datasets)
    ]
    found = tina_kit.compare(runs)
    keys = [each["key"] for each in found.differences if each["kind"] == "recipe"]
    assert keys == ["dataset.use", "dataset.seed"]
    assert (
        "(dataset.use: tina-kit/shapes, tina-kit/caltech101; dataset.seed: 0, 3)"
        in (found.remarks[0])
    )


def test_the_tables_stand_side_by_side(make) -> None:
    runs = [make("a", one_seed(tina=[60] * 4)), make("b", one_seed(tina=[70] * 4, mlp=[50] * 4))]
    found = tina_kit.compare(runs)
    rows = {(row["generator"], row["split"]): row["p_acc"] for row in found.results}
    assert {label: value["mean"] for label, value in rows["tina", "ood"].items()} == {
        "A": 60,
        "B": 70,
    }
    assert list(rows["mlp", "ood"]) == ["B"]
    assert re.search(r"mlp +50\.0", str(found))


# How it is told.


def test_the_words_say_which_is_better(make) -> None:
    low, high = [50, 51, 52, 53], [60, 61, 63, 62]
    runs = [make("a", one_seed(tina=high)), make("b", one_seed(tina=low))]
    assert tina_kit.compare(runs).words()[0].startswith("A's tina is better than B's by 10.0 ±")
    runs = [make("c", one_seed(tina=high)), make("d", one_seed(tina=[61, 60, 62, 63]))]
    told = tina_kit.compare(runs).words()[0]
    assert told.startswith("A's tina and B's cannot be told apart: B - A is +0.0 ±")
    runs = [make("e", one_seed(tina=high)), make("f", one_seed(tina=[60, 61, 50, 62]))]
    assert "B - A is -3.2 ±" in tina_kit.compare(runs).words()[0]


def test_the_page_is_whole_and_escaped(make) -> None:
    evil = "<script>alert(1)</script>"
    runs = [make(name, one_seed(tina=percent()), recipe={"note": f"{name}{evil}"}) for name in "ab"]
    tina_kit.note_run(runs[0], evil)
    page = tina_kit.compare(runs).html()
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "default-src" in page and len(page) < 100_000
    for title in ("The runs", "Which is better", "Task by task", "What differs"):
        assert f"<h2>{title}</h2>" in page


def test_the_page_says_first_what_makes_a_run_another(make) -> None:
    runs = [
        make(name, one_seed(tina=percent()), recipe={"generic": {"epochs": epochs}})
        for name, epochs in (("a", 3), ("b", 5))
    ]
    top = tina_kit.compare(runs).html().partition('class="notice')[0]
    assert "generic.epochs: 3" in top and "generic.epochs: 5" in top
    rows = [f"{runs[0]}:tina", f"{runs[0]}:tina"]
    assert "differs in" not in tina_kit.compare(rows).html()


def test_a_frame_has_a_row_for_each_pair(make) -> None:
    runs = [make(name, one_seed(tina=percent(), mlp=percent())) for name in "ab"]
    frame = tina_kit.compare(runs).to_frame()
    assert list(frame["first_generator"]) == ["tina", "mlp"]
    assert (frame["difference_low"] < frame["difference"]).all()


def test_a_frame_of_results_or_differences_has_a_column_for_each_run(make) -> None:
    runs = [
        make("a", one_seed(tina=[60, 61] * 2)),
        make("b", one_seed(tina=[70, 71] * 2), recipe={"generic": {"epochs": 5}}),
    ]
    found = tina_kit.compare(runs)
    results = found.to_frame("results").set_index(["generator", "split"])
    assert list(results.columns) == ["A", "A_low", "A_high", "B", "B_low", "B_high"]
    assert results.loc["tina", "ood"]["B"] == 70.5
    (row,) = found.to_frame("differences").to_dict("records")
    assert row == {"kind": "recipe", "key": "generic.epochs", "A": 3, "B": 5}


def test_one_run_or_none_is_refused(make) -> None:
    with pytest.raises(UserError, match="give 2 to 26 runs"):
        tina_kit.compare([make("a", one_seed(tina=percent()))])


def test_a_damaged_file_is_told(make) -> None:
    runs = [make(name, one_seed(tina=percent())) for name in "ab"]
    (runs[1] / "evaluations.json").write_text("{")
    with pytest.raises(UserError, match=r"evaluations\.json: cannot be read"):
        tina_kit.compare(runs)
    (runs[1] / "results.json").write_text("[]")
    with pytest.raises(UserError, match=r"results\.json: cannot be read"):
        tina_kit.compare(runs)

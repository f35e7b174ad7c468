"""Sections of the report that hand-made facts suffice for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.report.made import facts
from tina_kit.report.diagnosis.rules import diagnose
from tina_kit.report.document.data import data
from tina_kit.report.document.results import results
from tina_kit.report.document.source import ClassImages, Part, Source
from tina_kit.report.document.whole import report
from tina_kit.report.facts import Facts


def source(of: Facts, **changes: Any) -> Source:
    """A page's source of a run without images."""
    made = Source("made", {"stages": []}, of, "", False, (), (), (), ())
    return replace(made, **changes)


def test_the_interval_of_a_p_acc_ends_at_100_percent_and_guessing_has_none() -> None:
    made = facts()
    rows = [
        {**row, "p_acc": 97.0, "ci95": [90.0, 104.0]} if row["generator"] == "oracle" else row
        for row in made.rows
    ]
    shown = str(results(source(replace(made, rows=rows))))
    assert "[90.0, 100.0]" in shown and "[90.0, 104.0]" not in shown
    chart = shown[: shown.index("<figcaption>")]
    assert "chance" in chart
    assert chart.count('class="interval"') == chart.count('class="name"') - 1


def test_a_trial_says_first_that_its_figures_mean_nothing() -> None:
    trial = diagnose(replace(facts(), profile="smoke"))[0]
    recipe = {**facts().recipe, "generic": {"epochs": 1}, "finetune": {"epochs": 1}}
    parts = [Part(role, role, "") for role in ("data set", "architecture", "conditioner")]
    record = {
        **{"seeds": [0], "started": "2026-11-01", "ended": "2026-11-01", "stages": []},
        **{"hardware": {"threads": 1, "machine": "x"}, "git": None, "tina_kit": "0"},
        **{"versions": {}, "plugins": [], "device": "cpu", "precision": "fp32", "key": "k"},
        "command": ["tina-kit"],
    }
    made = source(
        replace(facts(), recipe=recipe), findings=[trial], parts=parts, record=record, changed=()
    )
    page = report(made)
    assert f'<div class="notice bad"><strong>{trial.what}</strong>' in page
    assert page.index(trial.what) < page.index("is better than selection")


def test_a_class_in_no_task_is_not_tested() -> None:
    made = facts()
    extra = replace(made, classes=[*made.classes, "pink cube"])
    images = ClassImages([20] * 13, [10] * 13, (8, 8), {})
    page = str(data(source(extra, images=images)))
    assert page.count("not tested") == 1
    assert page.count("20 training, 10 test images") == 13

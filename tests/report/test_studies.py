"""A study's rows and table, from what its trials counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tina_kit.api import Study, Trial
from tina_kit.report.studies import StudyReport, study_report

# By images 90 and 80, by classes 75 twice; and 50 and 30, 50 and 25.
FULL = {"correct": [[8, 1], [6, 2]], "total": [[8, 2], [6, 4]]}
HALF = {"correct": [[4, 1], [3, 0]], "total": [[8, 2], [6, 4]]}


@dataclass
class Counted:
    trial: Trial
    counts: list = field(default_factory=list)
    losses: tuple = ()


class Plain(Study):
    title, x_label, note, published, versus = "A study", "classes", "", {}, "full"

    def trials(self, generators):
        return ()


def told(average: str, *more: Counted) -> StudyReport:
    results = [
        Counted(Trial("full", "OOD", "tina"), [FULL]),
        Counted(Trial("half", "OOD", "tina"), [HALF]),
        *more,
    ]
    return study_report("study", Plain(), results, "On.", average)


@pytest.mark.parametrize(("average", "full", "half"), [("images", 85, 40), ("classes", 75, 37.5)])
def test_p_acc_and_differences_are_over_images_or_over_classes(average, full, half) -> None:
    rows = told(average).rows
    assert [row["p_acc"] for row in rows] == pytest.approx([full, half])
    assert rows[1]["versus"]["mean"] == pytest.approx(half - full)


def test_what_guessing_reaches_stands_below_by_images() -> None:
    table = {line[0]: line[1] for line in told("images").table()}
    assert table["chance"] == "50.0" and table["largest class"].startswith("70.0 ±")
    assert "largest class" not in dict(line[:2] for line in told("classes").table())


def test_tasks_of_other_sizes_have_a_chance_of_their_own() -> None:
    three = {"correct": [[1, 1, 1]], "total": [[2, 2, 2]]}
    other = told("images", Counted(Trial("full", "three", "tina"), [three]))
    table = {line[0]: line[1:] for line in other.table()}
    assert table["chance"] == ("50.0", "33.3")
    assert table["largest class"][1] == ""  # its classes are of one size
    beside = told("images", Counted(Trial("three", "OOD", "tina"), [three])).table()
    assert {line[0]: line[1] for line in beside}["chance"] == "50.0, 33.3"

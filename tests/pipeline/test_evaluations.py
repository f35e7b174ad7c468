"""`evaluations.json`: the counts of every task, from which the tables of a run follow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tina_kit
from tina_kit.pipeline.evaluations import FILE
from tina_kit.report.results import accuracies


def test_the_table_follows_from_the_file(finished: tuple[Path, Path, Path]) -> None:
    folder = finished[2]
    written = json.loads((folder / FILE).read_text())
    assert {split: len(tasks) for split, tasks in written["tasks"]["0"].items()} == {
        "ood": 6,
        "id": 6,
    }
    for row in json.loads((folder / "results.json").read_text())["generators"][:-1]:
        counted = written["counts"][row["generator"]]["0"][row["split"]]
        assert accuracies(counted, "images").mean() == pytest.approx(row["p_acc"], abs=1e-12)


def test_a_run_folder_from_before_the_file_gives_the_same(
    finished: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(finished[2], old, ignore=shutil.ignore_patterns(FILE))
    assert tina_kit.open_run(old).evaluations == tina_kit.open_run(finished[2]).evaluations
    assert not (old / FILE).exists()

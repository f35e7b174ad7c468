"""`report.html`: what it shows of a run, of an older run folder, and without the store."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

import pytest

import tina_kit
from tests.zoo.browser import PROGRAM, browser
from tina_kit.cli.app import invoke
from tina_kit.pipeline.run_folders import REPORT as FILE

Finished = tuple[Path, Path, Path]


@pytest.fixture(scope="module")
def page(finished: Finished) -> str:
    return (finished[2] / FILE).read_text(encoding="utf-8")


def text_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_it_is_one_small_file_that_needs_nothing_else(page: str) -> None:
    assert len(page) < 3 << 20  # bytes, for 100 classes
    found = re.findall(r'(?:src|href)="([^"]{,30})', page)
    assert found and all(each.startswith("data:image/") for each in found)
    assert "<script" not in page and "url(" not in page


def test_it_says_what_was_done_what_came_out_and_what_is_wrong(
    finished: Finished, page: str
) -> None:
    run, text = tina_kit.open_run(finished[2]), text_of(page)
    titles = ["What was done", "Results", "How to read the table", "Diagnosis", "One task"]
    titles += ["Tasks and classes", "Data and classes", "Trainings", "Settings and origin"]
    for title in titles:
        assert title in text
    assert "A classifier over all 100 classes of shapes, the generic model (cnn)" in text
    assert "on each of 12 ID tasks" in text and "6 OOD tasks of 10 classes" in text
    assert run.table.caption in text
    for finding in run.diagnosis:
        assert finding.what in text and finding.evidence in text and finding.remedy in text


def test_every_class_is_shown_with_images_and_right_answers(finished: Finished, page: str) -> None:
    names = tina_kit.open_run(finished[2]).record["data"]["classes"]
    cards = re.findall(r"<li><div class=\"samples\">(.*?)</div><strong>(.*?)</strong>", page)
    assert sorted(name for _, name in cards) == sorted(names)
    assert all(shown.count("data:image/jpeg") == 2 for shown, _ in cards)
    assert "10 training, 5 test images" in page


def test_right_answers_by_class_add_up_to_those_of_the_run(finished: Finished) -> None:
    run = tina_kit.open_run(finished[2])
    counts = run.evaluations["counts"]["tina-dit"]["0"]["ood"]
    tasks = run.evaluations["tasks"]["0"]["ood"]
    first = tasks[0][0]
    right, total = 0, 0
    for task, correct, of in zip(tasks, counts["correct"], counts["total"]):
        if first in task:
            right += correct[task.index(first)]
            total += of[task.index(first)]
    line = [
        re.escape(run.record["data"]["classes"][first]),
        "10",
        "5",
        f"{100 * right / total:.1f}",
    ]
    assert re.search(" ".join(line), text_of(run.report()))


def test_the_confusion_matrix_is_of_the_p_model_that_the_run_counted(
    finished: Finished, page: str
) -> None:
    run = tina_kit.open_run(finished[2])
    right = sum(run.evaluations["counts"]["tina-dit"]["0"]["ood"]["correct"][0])
    assert f"first OOD task of seed 0: {right} of 50 test images are right" in text_of(page)


def test_settings_that_are_not_the_default_are_listed_with_it(page: str) -> None:
    text = text_of(page)
    assert "generators.tina-dit.steps 10 100000" in text and "tasks.id 12 1000" in text
    assert "generators.tina-dit.beta" not in text


def test_it_is_written_again_for_an_older_run_folder(
    finished: Finished, page: str, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(finished[2], old, ignore=shutil.ignore_patterns(FILE, "evaluations.json"))
    assert tina_kit.write_report(old) == old / FILE
    again = (old / FILE).read_text(encoding="utf-8")
    assert text_of(page) in text_of(again).replace(re.search(r"ended \S+ ", text_of(again))[0], "")


def test_the_command_writes_it_where_it_is_told(finished: Finished, tmp_path: Path, capfd) -> None:
    assert invoke(["report", str(finished[2]), "-o", str(tmp_path / "mine.html")]) == 0
    assert f"written: {tmp_path / 'mine.html'}" in capfd.readouterr().err
    assert "What was done" in (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert invoke(["report", str(tmp_path)]) == 2
    assert "not a run folder" in capfd.readouterr().err


def test_without_the_store_it_shows_what_the_run_folder_knows(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "empty"))
    text = text_of(tina_kit.open_run(finished[2]).report())
    assert "The store no longer has their images." in text
    assert tina_kit.open_run(finished[2]).table.caption in text


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_it_fits_the_width_and_asks_for_nothing(
    finished: Finished, tmp_path: Path, width: int
) -> None:
    with browser(tmp_path) as tab:
        tab.open(finished[2] / FILE, width)
        assert tab.run("document.documentElement.scrollWidth <= innerWidth")
        assert tab.run("[...document.images].every(each => each.naturalWidth > 0)")
        asked = [url for url in tab.requests if not url.startswith("data:")]
        assert asked == [(finished[2] / FILE).as_uri()]

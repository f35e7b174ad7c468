"""Run folders are found wherever they lie, told as they are, and removed alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import tina_kit
from tests.run_folders import make_run
from tina_kit.api import UserError
from tina_kit.pipeline.notes import LONGEST_NOTE, read_notes
from tina_kit.pipeline.run_folders import FILES, FOLDERS, readable_runs
from tina_kit.store import Store
from tina_kit.store.names import Names
from tina_kit.store.process import this_process

RIGHT = {
    "classifier-selection": {0: {"ood": [50, 50, 50, 50]}},
    "tina": {0: {"ood": [60, 61, 62, 63]}},
    "oracle": {0: {"ood": [90, 90, 90, 90]}},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "made" / "20261101-120000-0a1b2c3d", RIGHT)


def change(run: Path, **record: object) -> None:
    path = run / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **record}))


def gone() -> dict[str, object]:
    return {"status": "running", **this_process(), "process_started": "1"}


# Finding them.


def test_all_runs_below_a_folder_are_found_the_newest_first(tmp_path: Path) -> None:
    for number, place in enumerate(("a/x", "a/y", "b/c/d/z")):
        started = f"2026-11-0{number + 1}T00:00:00+00:00"
        make_run(tmp_path / place, RIGHT, started=started, name=place[0])
    make_run(tmp_path / "a" / ".y.host-1", RIGHT)  # one that is just starting
    (tmp_path / "a" / "run.txt").touch()
    runs = tina_kit.list_runs(tmp_path)
    assert [Path(run["folder"]).name for run in runs] == ["z", "y", "x"]
    assert [run["name"] for run in tina_kit.list_runs(tmp_path, name="b*")] == ["b"]
    assert len(tina_kit.list_runs(tmp_path, since="2026-11-02")) == 2


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"status": 3}'])
def test_folders_that_cannot_be_read_are_told_apart(run: Path, content: str) -> None:
    bad = run.with_name("bad")
    bad.mkdir()
    (bad / "run.json").write_text(content)
    found = tina_kit.list_runs(run.parent)
    assert len(found) == 1
    (line,) = found.unreadable
    assert line.startswith(f"{bad / 'run.json'}: ")


def test_the_status_is_the_true_one(run: Path) -> None:
    assert tina_kit.list_runs(run)[0]["status"] == "done"
    change(run, status="running", **this_process())
    assert tina_kit.list_runs(run)[0]["status"] == "running"
    change(run, **gone())
    assert tina_kit.list_runs(run)[0]["status"] == "killed"
    assert len(tina_kit.list_runs(run, status="killed")) == 1
    assert len(tina_kit.list_runs(run, status="running")) == 0


def test_the_key_figure_is_of_the_best_that_is_no_reference(run: Path) -> None:
    figure = tina_kit.list_runs(run)[0]["figure"]
    assert (figure["generator"], figure["split"], figure["p_acc"]) == ("tina", "ood", 61.5)
    assert figure["vs_selection"]["mean"] == 11.5
    (run / "results.json").unlink()
    assert tina_kit.list_runs(run)[0]["figure"] is None


def test_a_frame_is_flat(run: Path) -> None:
    tina_kit.tag_run(run, ["a", "b"])
    frame = tina_kit.list_runs(run).to_frame()
    (row,) = frame.to_dict("records")
    assert (row["seeds"], row["tags"], row["p_acc"]) == ("0", "a b", 61.5)
    assert row["vs_selection_low"] < row["vs_selection"] < row["vs_selection_high"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"status": "over"}, "must be one of running, done, failed, interrupted, killed"),
        ({"since": "yesterday"}, "write a date like 2026-11-01"),
    ],
)
def test_a_wrong_filter_is_told(run: Path, options: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        tina_kit.list_runs(run, **options)
    with pytest.raises(UserError, match="there is no such folder"):
        tina_kit.list_runs(run / "none")


# Tags and notes.


def test_tags_and_the_note_stay_with_the_run(run: Path) -> None:
    assert tina_kit.tag_run(run, ["paper", "table-1"]) == ["paper", "table-1"]
    tina_kit.note_run(run, "with the new tokenizer")
    assert tina_kit.tag_run(run, ["good", "paper"], remove=["table-1"]) == ["paper", "good"]
    (row,) = tina_kit.list_runs(run, tag="paper")
    assert (row["tags"], row["note"]) == (["paper", "good"], "with the new tokenizer")
    assert not len(tina_kit.list_runs(run, tag="table-1"))


@pytest.mark.parametrize("tag", ["", "two words", "a,b", "x" * 101, "a\nb", "\x1b[1m"])
def test_what_cannot_be_a_tag_is_refused(run: Path, tag: str) -> None:
    with pytest.raises(UserError, match="no spaces and no commas"):
        tina_kit.tag_run(run, [tag])
    assert not (run / "notes.json").exists()


def test_other_mistakes_are_told(run: Path) -> None:
    with pytest.raises(UserError, match="it has no tag 'a'; its tags: none"):
        tina_kit.tag_run(run, remove=["a"])
    with pytest.raises(UserError, match="must not exceed"):
        tina_kit.note_run(run, "x" * (LONGEST_NOTE + 1))
    with pytest.raises(UserError, match=r"not a run folder: it has no run\.json"):
        tina_kit.note_run(run.parent, "x")


@pytest.mark.parametrize("content", ["{", "[]", '{"tags": 3, "note": ""}', '{"tags": []}'])
def test_notes_that_cannot_be_read_do_not_matter(run: Path, content: str) -> None:
    (run / "notes.json").write_text(content)
    assert read_notes(run).tags == ()
    assert len(tina_kit.list_runs(run)) == 1


def test_who_must_not_miss_a_run_looks_into_hidden_folders_and_hears_of_damage(run: Path) -> None:
    hidden = run.parent.rename(run.parent.with_name(".old"))
    assert len(tina_kit.list_runs(hidden.parent)) == 0
    assert [found.folder for found in readable_runs(hidden.parent)] == [hidden / run.name]
    (hidden / run.name / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json: cannot be read"):
        readable_runs(hidden.parent)


# Removing them.


def test_a_removed_run_leaves_nothing(run: Path) -> None:
    (run / "plots").mkdir()
    (run / "plots" / "a.png").touch()
    tina_kit.note_run(run, "x")
    assert tina_kit.remove_run(run) == []
    assert not run.exists() and not run.parent.exists() and run.parent.parent.is_dir()


@pytest.mark.parametrize("imported", [True, False])
def test_what_no_run_writes_stays_and_keeps_no_results(
    run: Path, tmp_path: Path, imported: bool
) -> None:
    """imported: the store that is in use keeps its results, not the one that it was made with."""
    (run / "mine.safetensors").touch()
    change(run, store=str(tmp_path / "recorded"))
    names = Names(Store.default().root if imported else tmp_path / "recorded")
    names.add("run", run, [("zoo", "key")])
    assert tina_kit.remove_run(run) == [run / "mine.safetensors"]
    assert list(run.iterdir()) == [run / "mine.safetensors"]
    assert names.all() == []


def test_every_file_of_a_run_is_known(finished: tuple[Path, Path, Path]) -> None:
    assert {path.name for path in finished[2].iterdir()} <= {*FILES, *FOLDERS}


def test_the_store_and_other_folders_are_never_removed(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "images" / "key").mkdir(parents=True)
    for folder in (store, run.parent, tmp_path):
        with pytest.raises(UserError, match="not a run folder"):
            tina_kit.remove_run(folder)
    link = tmp_path / "link"
    link.symlink_to(run)
    with pytest.raises(UserError, match="this is a link"):
        tina_kit.remove_run(link)
    assert store.is_dir() and run.is_dir()


def test_links_in_a_run_folder_are_removed_and_not_followed(run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (run / "plots").symlink_to(elsewhere)
    tina_kit.remove_run(run)
    assert not run.exists() and (elsewhere / "kept").exists()


def test_a_run_that_goes_on_is_not_removed(run: Path) -> None:
    change(run, status="running", **this_process())
    with pytest.raises(UserError, match=f"not over \\(process {os.getpid()}"):
        tina_kit.remove_run(run)
    change(run, **gone())
    assert tina_kit.remove_run(run) == []

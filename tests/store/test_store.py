"""The store keeps whole results only, computes them once and notices damage."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tina_kit.api import TinaKitError, UserError
from tina_kit.store import Draft, NotFinite, Store, content_key, local, sealing
from tina_kit.store.locks import locked


def write_answer(draft: Draft) -> None:
    draft.save_json("answer.json", {"answer": 42})
    draft.save_tensors("answer.safetensors", {"x": torch.arange(4)})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_result_is_computed_once_and_read_back(store: Store) -> None:
    assert store.ensure("stage", "k", write_answer, {}) is not None
    assert store.ensure("stage", "k", lambda _: pytest.fail("computed twice"), {}) is None
    entry = store.open("stage", "k")
    assert entry.json("answer.json") == {"answer": 42}
    assert entry.tensors("answer.safetensors")["x"].tolist() == [0, 1, 2, 3]


def test_a_failing_stage_leaves_no_entry_but_keeps_its_checkpoints(store: Store) -> None:
    def fail(draft: Draft) -> None:
        draft.save_json("half.json", {})
        draft.checkpoint("train").save({"w": torch.ones(2)}, {"step": 3})
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        store.ensure("stage", "k", fail, {})
    assert not store.has("stage", "k")
    assert not list(store.root.rglob("half.json"))

    def resume(draft: Draft) -> None:
        saved = draft.checkpoint("train").load()
        assert saved is not None and saved[1] == {"step": 3}

    store.ensure("stage", "k", resume, {})
    assert not (store.root / ".partial" / "stage" / "k").exists()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "bytes instead of"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"42", b"43")), "was altered"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_damage_is_named_with_its_remedy(store: Store, damage, what: str) -> None:
    store.ensure("stage", "k", write_answer, {})
    damage(store.folder("stage", "k") / "answer.json")
    with pytest.raises(TinaKitError, match=f"answer.json.*{what}|{what}") as caught:
        store.open("stage", "k")
    assert caught.value.exit_code == 1
    assert f"rm -r '{store.folder('stage', 'k')}'" in str(caught.value)


def write_weights(value: float) -> Callable[[Draft], None]:
    def compute(draft: Draft) -> None:
        (draft.folder / "inner").mkdir()
        weights = {"a": torch.ones(3), "fc.weight": torch.tensor([1.0, value, value])}
        save_file(weights, draft.folder / "inner" / "weights.safetensors")

    return compute


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_only_finite_weights_are_sealed(store: Store, value: float) -> None:
    with pytest.raises(NotFinite) as caught:
        store.ensure("generic", "k", write_weights(value), {})
    told = str(caught.value)
    assert re.search(r"inner/weights\.safetensors: 'fc\.weight' has 2 \w+ among its 3", told)
    assert told.startswith("stage generic (k): ") and "learning_rate" in told
    assert not store.has("generic", "k") and not list(store.root.rglob("weights.safetensors"))
    assert store.ensure("generic", "k", write_weights(2.0), {}) is not None


def test_weights_of_earlier_versions_that_are_not_finite_are_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entry(key: str, value: float) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("tina_kit.store.sealing.not_finite_in", lambda folder: "")
            store.ensure("generic", key, write_weights(value), {})
        path = store.folder("generic", key) / "entry.json"
        content = json.loads(path.read_text())
        del content["finite"]
        path.write_text(json.dumps(content))

    entry("good", 1.0)
    assert store.open("generic", "good")
    entry("bad", torch.nan)
    with pytest.raises(TinaKitError, match=r"'fc\.weight' has 2 NaN") as caught:
        store.open("generic", "bad")
    assert f"rm -r '{store.folder('generic', 'bad')}'" in str(caught.value)


def test_a_broken_entry_file_is_damage_too(store: Store) -> None:
    store.ensure("stage", "k", write_answer, {})
    (store.folder("stage", "k") / "entry.json").write_text("{")
    with pytest.raises(TinaKitError, match=r"entry\.json was altered"):
        store.open("stage", "k")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("x (os error 28)")]
)
def test_a_full_disk_is_one_message(store: Store, error: Exception) -> None:
    def fail(_: Draft) -> None:
        raise error

    with pytest.raises(TinaKitError, match=r"no space left.*TINA_KIT_STORE"):
        store.ensure("stage", "k", fail, {})
    assert not store.has("stage", "k")


def test_a_store_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TinaKitError, match="TINA_KIT_STORE"):
        Store(tmp_path / "file" / "store").ensure("stage", "k", write_answer, {})


def test_a_failing_stage_without_checkpoints_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.ensure("stage", "k", lambda _: 1 / 0, {})  # type: ignore[arg-type,return-value]
    assert list(store.root.iterdir()) == []


def _count(root: Path, log: Path) -> None:
    def compute(draft: Draft) -> None:
        with log.open("a") as file:
            file.write("computed\n")
        time.sleep(0.3)
        write_answer(draft)

    store = Store(root)
    store.ensure("stage", "k", compute, {})
    assert store.open("stage", "k").json("answer.json") == {"answer": 42}


def test_processes_that_share_a_store_do_the_work_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    runs = [
        context.Process(target=_count, args=(tmp_path / "store", tmp_path / "log"))
        for _ in range(3)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "computed\n"


def _hang(root: Path) -> None:
    def compute(draft: Draft) -> None:
        draft.save_json("half.json", {})
        time.sleep(60)

    Store(root).ensure("stage", "k", compute, {})


def test_a_killed_run_frees_its_lock_and_leaves_nothing_half_written(store: Store) -> None:
    run = multiprocessing.get_context("fork").Process(target=_hang, args=(store.root,))
    run.start()
    while not list(store.root.rglob("half.json")):
        time.sleep(0.01)
    assert run.pid is not None
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    assert not store.has("stage", "k")
    store.ensure("stage", "k", write_answer, {})
    assert not list(store.root.rglob("half.json"))


def test_keys_ignore_the_order_of_settings_and_nothing_else() -> None:
    assert content_key({"a": 1, "b": [1, 2]}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    assert content_key([1, 2]) != content_key([2, 1])
    with pytest.raises(ValueError, match="JSON"):
        content_key({"a": float("nan")})


def write_with_checkpoint(draft: Draft) -> None:
    draft.checkpoint("train").save({"w": torch.ones(2)}, {"step": 3})
    draft.save_json("answer.json", {"answer": 42})


@pytest.mark.parametrize(
    ("place", "moment"),
    [(Store, "publish"), (local, "clear"), (sealing, "flush"), (sealing, "mode_of_new_files")],
)
def test_a_kill_at_any_moment_leaves_nothing_for_good(
    store: Store, place: Any, moment: str
) -> None:
    """Between publishing and cleaning too: the next run that finds the entry cleans up."""

    def run() -> None:
        done = getattr(place, moment)

        def dying(*words: object, **named: object) -> None:
            done(*words, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(place, moment, dying)
        Store(store.root).ensure("stage", "k", write_with_checkpoint, {})

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    published = store.has("stage", "k")
    assert published == (moment in ("publish", "clear"))
    left = store.root / ".partial" / "stage" / "k"
    assert left.exists() == (moment != "clear") and left.with_suffix(".lock").exists()
    assert (store.ensure("stage", "k", write_with_checkpoint, {}) is None) == published
    assert store.open("stage", "k").json("answer.json") == {"answer": 42}
    assert not (store.root / ".partial").exists()


def test_what_another_run_is_cleaning_is_left_to_it(store: Store) -> None:
    store.ensure("stage", "k", write_answer, {})
    work = store.root / ".partial" / "stage" / "k"
    work.mkdir(parents=True)
    with locked(work.with_suffix(".lock")):
        assert store.ensure("stage", "k", write_answer, {}) is None
        assert work.exists()
    assert store.ensure("stage", "k", write_answer, {}) is None
    assert not (store.root / ".partial").exists()


def test_what_no_run_can_continue_from_is_removed(store: Store) -> None:
    """Also what belongs to other stages than those that a run needs."""
    store.ensure("stage", "done", write_answer, {})
    partial = store.root / ".partial"
    for key in ("done", "begun", "held", "kept"):
        (partial / "stage" / key / ".out.0-0").mkdir(parents=True)
        (partial / "stage" / f"{key}.lock").touch()
    (partial / "other").mkdir()
    (partial / "other" / "alone.lock").touch()
    (partial / "stage" / "kept" / "train-0.safetensors").touch()  # worth going on with
    with locked(partial / "stage" / "held.lock"):
        store.clean()
        assert {path.name for path in partial.glob("*/*")} == {
            *("held", "held.lock", "kept", "kept.lock")
        }
    store.clean()
    assert {path.name for path in partial.glob("*/*")} == {"kept", "kept.lock"}
    Store(store.root / "none").clean()
    assert not (store.root / "none").exists()


def test_a_stage_says_who_began_it(store: Store) -> None:
    def fail(draft: Draft) -> None:
        draft.checkpoint("train").save({"w": torch.ones(2)}, {"step": 3})
        raise RuntimeError("boom")

    begun: list[object] = []
    with pytest.raises(RuntimeError):
        store.ensure("stage", "k", fail, {}, made_by={"threads": 4}, resumes=begun.append)
    assert begun == []
    store.ensure(
        "stage", "k", write_with_checkpoint, {}, made_by={"threads": 2}, resumes=begun.append
    )
    assert begun == [{"threads": 4}]
    entry = store.open("stage", "k").json("entry.json")
    assert (entry["made_by"], entry["begun_by"]) == ({"threads": 2}, {"threads": 4})
    store.ensure("stage", "other", write_with_checkpoint, {}, made_by={"threads": 2})
    assert "begun_by" not in store.open("stage", "other").json("entry.json")


def test_what_a_stage_began_without_a_checkpoint_is_begun_anew(store: Store) -> None:
    work = store.root / ".partial" / "stage" / "k"
    work.mkdir(parents=True)
    (work / "begun_by.json").write_text('{"threads": 4}')
    (work / "out").mkdir()  # as an older version called it
    store.ensure("stage", "k", write_answer, {}, resumes=lambda _: pytest.fail("nothing to resume"))
    assert not (store.root / ".partial").exists()


def test_a_run_is_read_from_the_store_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a store that has moved, or that two machines see under two names, could not be used."""
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "named"))
    assert Store.of_run("/recorded").root == tmp_path / "named"
    monkeypatch.delenv("TINA_KIT_STORE")
    assert Store.of_run("/recorded").root == Path("/recorded")


def test_without_a_home_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINA_KIT_STORE")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    with pytest.raises(UserError, match=r"no home folder.*set TINA_KIT_STORE"):
        Store.default()

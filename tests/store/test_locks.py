"""Locks: one holder at a time, freed with it, no file left, and none needed for right results."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import time
from pathlib import Path

import pytest
import torch

from tina_kit.store import Draft, Store
from tina_kit.store.locks import Busy, locked


def count(path: Path, log: Path) -> None:
    """Add 1 to what `log` says, slowly enough that two at once would be seen."""
    for _ in range(20):
        with locked(path, lambda: None):
            before = int(log.read_text())
            time.sleep(0.001)
            log.write_text(str(before + 1))


def test_one_at_a_time_although_each_removes_the_file(tmp_path: Path) -> None:
    path, log = tmp_path / "folder" / "k.lock", tmp_path / "log"
    log.write_text("0")
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=count, args=(path, log)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert log.read_text() == "80"
    assert list(path.parent.iterdir()) == []


def test_who_does_not_want_to_wait_is_told(tmp_path: Path) -> None:
    with locked(tmp_path / "k.lock") as lacking:
        assert lacking == ""
        with pytest.raises(Busy), locked(tmp_path / "k.lock"):
            pass
    with locked(tmp_path / "k.lock"):
        assert (tmp_path / "k.lock").exists()
    assert not (tmp_path / "k.lock").exists()


@pytest.fixture(params=["ENOLCK", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EIO"])
def lockless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file system that cannot lock, as some network disks; why."""
    number = getattr(errno, request.param)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    return os.strerror(number)


def test_where_nothing_can_be_locked_it_is_told_once_and_works(
    tmp_path: Path, lockless: str
) -> None:
    store, told = Store(tmp_path / "store"), []
    for key in ("a", "b"):
        store.ensure("stage", key, lambda draft: draft.save_json("x.json", 1), {}, told.append)
        assert store.open("stage", key).json("x.json") == 1
    assert len(told) == 1
    assert f"no file locks in the store {store.root} ({lockless})" in told[0]
    assert not (store.root / ".partial").exists()


def test_two_runs_at_once_disturb_each_other_not_even_then(tmp_path: Path, lockless: str) -> None:
    """One begins and is done while the other is in the middle."""
    root = tmp_path / "store"

    def write(draft: Draft) -> None:
        draft.save_json("a.json", 1)
        draft.checkpoint("c").save({"x": torch.ones(1)}, {})
        draft.save_json("b.json", 2)

    def between(draft: Draft) -> None:
        draft.save_json("a.json", 1)
        other = multiprocessing.get_context("fork").Process(
            target=Store(root).ensure, args=("stage", "k", write, {})
        )
        other.start()
        other.join()
        assert other.exitcode == 0 and Store(root).has("stage", "k")
        draft.checkpoint("c").save({"x": torch.ones(1)}, {})
        draft.save_json("b.json", 2)

    store = Store(root)
    store.ensure("stage", "k", between, {})
    assert store.open("stage", "k").json("b.json") == 2
    assert not (root / ".partial").exists()


def test_what_a_killed_run_left_goes_even_then(tmp_path: Path, lockless: str) -> None:
    root = tmp_path / "store"
    other = multiprocessing.get_context("fork").Process(
        target=Store(root).ensure,
        args=("stage", "k", lambda draft: draft.save_json("a.json", 1) or os._exit(9), {}),
    )
    other.start()
    other.join()
    assert list(root.rglob("a.json"))
    Store(root).ensure("stage", "k", lambda draft: draft.save_json("b.json", 1), {})
    assert not (root / ".partial").exists()

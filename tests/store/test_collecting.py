"""What nobody names goes, and nothing else, whenever the process that removes it is killed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch

from tests.store.many import fifty, made, run_folder
from tests.store.test_disk import NOBODY, as_user
from tina_kit.api import TinaKitError, UserError
from tina_kit.store import Store, read_json, write_json
from tina_kit.store import collecting as module
from tina_kit.store.collecting import Collector, Survey
from tina_kit.store.files import mark
from tina_kit.store.listing import items, size_of
from tina_kit.store.names import Names, Result, of_run_folder
from tina_kit.store.process import this_process
from tina_kit.store.sealing import verified


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, list[Result]]]:
    """A store of fifty runs, and what must stay and go. Nobody may write to it."""
    folder = tmp_path_factory.mktemp("whole")
    return fifty(folder / "store", folder / "runs")


@pytest.fixture
def copied(whole: tuple[Store, dict[str, list[Result]]], store: Store) -> dict[str, list[Result]]:
    """The same in this test's store."""
    shutil.copytree(whole[0].root, store.root)
    return whole[1]


def collect(store: Store, **options: object) -> object:
    return Collector(Survey.of(store.root, **options)).collect()  # type: ignore[arg-type]


def there(store: Store) -> list[tuple[str, str]]:
    return sorted(item.result for item in items(store.root))


def sound(store: Store) -> bool:
    return all(verified(item.folder, item.result) == "" for item in items(store.root))


def test_of_fifty_runs_exactly_what_nobody_names_goes(store: Store, copied) -> None:
    expected = copied
    assert len(expected["named"]) > 100 and len(expected["garbage"]) > 20
    survey = Survey.of(store.root)
    assert sorted(item.result for item in survey.garbage) == expected["garbage"]
    folders = [store.folder(*result) for result in expected["garbage"]]
    size = sum(map(size_of, folders))
    assert survey.size == size and there(store) == sorted(
        [*expected["named"], *expected["garbage"]]
    )

    before = size_of(store.root)
    gone = {name.what for name in survey.gone}
    files = [file for file in store.root.glob(".names/*") if read_json(file)["what"] in gone]
    names = sum(map(size_of, files))
    done = Collector(survey).collect()
    assert done.size == size and size_of(store.root) == before - size - names
    assert there(store) == expected["named"] and sound(store)
    assert not Survey.of(store.root).gone and Survey.of(store.root).size == 0


def killed(work: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5, 7, 29, 90, 140, 180])
def test_killed_at_any_moment_nothing_that_is_named_is_lost(
    store: Store, copied, step: int
) -> None:
    """`step`: how many renames and deletions it lives through, of all kinds."""
    expected, left = copied, [step]

    def counting(function: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*given: object, **named: object) -> object:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return function(*given, **named)

        return wrapped

    def work() -> None:
        os.rename = counting(os.rename)  # type: ignore[assignment]
        os.unlink = counting(os.unlink)  # type: ignore[assignment]
        os.rmdir = counting(os.rmdir)  # type: ignore[assignment]
        collect(store)

    killed(work)
    found = there(store)
    assert set(expected["named"]) <= set(found) and sound(store)  # no half result counts as whole
    collect(store)
    assert there(store) == expected["named"]
    assert {p.name for p in store.root.iterdir()} == {".names", "fit", "generic", "images", "zoo"}


def test_the_next_run_deletes_what_a_killed_one_has_moved_away(store: Store, monkeypatch) -> None:
    made(store, "zoo", 1)

    def work() -> None:
        monkeypatch.setattr(
            module, "_delete", lambda path: path.exists() and os.kill(os.getpid(), 9)
        )
        collect(store)

    killed(work)
    assert len(list(store.root.glob(".trash.*"))) == 1 and there(store) == []
    store.clean()
    assert not list(store.root.glob(".trash.*"))


def test_a_run_that_starts_meanwhile_keeps_what_it_counts_as_stored(store: Store, tmp_path) -> None:
    result, other = made(store, "zoo", 1), made(store, "zoo", 2)
    survey = Survey.of(store.root)
    assert len(survey.garbage) == 2
    run_folder(store, tmp_path / "runs" / "late" / "1", [result])
    done = Collector(survey).collect()
    assert [item.result for item in done.results] == [other] and there(store) == [result]


def test_a_run_waits_while_results_are_moved_away(store: Store, tmp_path: Path) -> None:
    made(store, "zoo", 1)
    told: list[str] = []
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with Names(store.root).held():
            os.write(write, b"x")
            signal.pause()
        os._exit(0)
    os.read(read, 1)

    def tell(line: str) -> None:
        told.append(line)
        os.kill(child, signal.SIGKILL)  # which frees its lock

    Names(store.root).add("run", tmp_path, [("zoo", "k")], tell=tell)
    os.waitpid(child, 0)
    assert told == ["results are being removed from the store, waiting"]
    assert len(Names(store.root).all()) == 1


def test_what_is_being_computed_stays(store: Store) -> None:
    """By a process that names nothing, such as an older tina-kit's."""
    result = made(store, "zoo", 1)
    begun = store.root / ".partial" / "fit" / "k"
    begun.mkdir(parents=True)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with store.alone(*result), store.alone("fit", "k"):
            os.write(write, b"x")
            signal.pause()
        os._exit(0)
    os.read(read, 1)
    done = collect(store)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert sorted(done.busy) == [("fit", "k"), result] and there(store) == [result]
    assert begun.exists()
    done = collect(store)
    assert not done.busy and there(store) == [] and not (store.root / ".partial").exists()


def test_checkpoints_stay_as_long_as_their_run_folder(store: Store, tmp_path: Path) -> None:
    def begin(key: str) -> Path:
        with pytest.raises(RuntimeError):
            store.ensure("fit", key, stop, {})
        return store.root / ".partial" / "fit" / key

    def stop(draft):  # type: ignore[no-untyped-def]
        draft.checkpoint("train").save({"w": torch.ones(100)}, {"step": 3})
        raise RuntimeError

    named, unnamed = begin("a" * 24), begin("b" * 24)
    (store.root / ".partial" / "fit" / f"{'a' * 24}.lock").touch()  # of a killed run
    run_folder(store, tmp_path / "runs" / "x" / "1", [("fit", "a" * 24)], status="failed")
    survey = Survey.of(store.root)
    assert survey.size == size_of(unnamed) > 400
    Collector(survey).collect()
    assert {p.name for p in named.parent.iterdir()} == {"a" * 24} and named.exists()


def test_half_a_result_goes_even_if_it_is_named(store: Store, tmp_path: Path) -> None:
    result = made(store, "zoo", 1)
    (store.folder(*result) / "entry.json").unlink()
    run_folder(store, tmp_path / "runs" / "x" / "1", [result])
    [item] = items(store.root)
    assert item.state == "incomplete"
    collect(store)
    assert there(store) == []


def test_a_damaged_result_stays_if_it_is_named(store: Store, tmp_path: Path) -> None:
    named, unnamed = made(store, "zoo", 1), made(store, "zoo", 2)
    for result in (named, unnamed):
        (store.folder(*result) / "entry.json").write_text("{")
    run_folder(store, tmp_path / "runs" / "x" / "1", [named])
    assert {item.state for item in items(store.root)} == {"damaged"}
    collect(store)
    assert there(store) == [named]


def test_results_of_older_versions_stay_until_one_says_where_their_runs_lie(
    store: Store, tmp_path: Path
) -> None:
    used, unused = (made(store, "zoo", n, recorded=False) for n in (1, 2))
    run_folder(store, tmp_path / "old" / "x" / "1", [used], named=False)
    survey = Survey.of(store.root)
    assert not survey.garbage and len(survey.unclear) == 2
    older = [of_run_folder(tmp_path / "old" / "x" / "1")]
    collect(store, older=older)
    assert there(store) == [used] and unused != used


def test_old_run_folders_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "run.json").write_text('{"stages": 3}')
    with pytest.raises(UserError, match=r"x/run\.json: cannot be read: it is damaged"):
        of_run_folder(tmp_path / "x")


def test_a_run_that_cannot_be_seen_from_here_keeps_its_results(
    store: Store, tmp_path: Path, monkeypatch
) -> None:
    results = [made(store, "zoo", number) for number in range(3)]
    for number, result in enumerate(results):
        shutil.rmtree(run_folder(store, tmp_path / "runs" / "x" / str(number), [result]))
    [gone, other_host, unmounted] = sorted((store.root / ".names").glob("*.json"))
    write_json(other_host, {**read_json(other_host), "host": "elsewhere"})
    write_json(unmounted, {**read_json(unmounted), "mount": str(tmp_path)})
    kept = [tuple(read_json(file)["results"][0]) for file in (other_host, unmounted)]
    survey = Survey.of(store.root)
    assert len(survey.gone) == 1 and len(survey.unknown) == 2
    Collector(survey).collect()
    assert there(store) == sorted(kept)
    assert not gone.exists() and other_host.exists() and unmounted.exists()


def test_nothing_goes_if_a_name_cannot_be_read(store: Store) -> None:
    made(store, "zoo", 1)
    (store.root / ".names").mkdir()
    (store.root / ".names" / "run-1.json").write_text("{")
    with pytest.raises(TinaKitError, match="nobody knows which results it keeps"):
        collect(store)
    assert len(there(store)) == 1


def test_what_is_no_result_is_left_alone(store: Store) -> None:
    """As in a folder that also holds other things."""
    made(store, "zoo", 1)
    (store.root / "photos" / "2024").mkdir(parents=True)
    (store.root / "photos" / "2024" / "1.png").touch()
    (store.root / "zoo" / "notes").mkdir()
    (store.root / "README").touch()
    collect(store)
    assert {p.name for p in store.root.iterdir()} == {"photos", "zoo", "README"}
    assert (store.root / "photos" / "2024" / "1.png").exists()


def test_without_locks_a_running_run_is_waited_for(store: Store, tmp_path, monkeypatch) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    made(store, "zoo", 1)
    folder = run_folder(
        store, tmp_path / "runs" / "x" / "1", [], status="running", **this_process()
    )
    with pytest.raises(UserError, match=r"no locks .* may be using the store"):
        collect(store)
    write_json(folder / "run.json", {"status": "done", "stages": []})
    collect(store)
    assert there(store) == []


def test_a_read_only_store_can_be_surveyed_and_says_why_nothing_goes(
    store: Store, monkeypatch
) -> None:
    made(store, "zoo", 1)
    opened = os.open

    def refuse(path, flags, *given, **named):  # type: ignore[no-untyped-def]
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *given, **named)

    monkeypatch.setattr(os, "open", refuse)
    survey = Survey.of(store.root)
    assert survey.size > 0
    with pytest.raises(TinaKitError, match="read-only"):
        Collector(survey).collect()
    assert len(there(store)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_who_may_not_read_or_remove_results_is_told(monkeypatch) -> None:
    public = Path(mkdtemp())
    try:
        public.chmod(0o755)
        store = Store(public / "store")
        secret, open_ = made(store, "zoo", 1), made(store, "zoo", 2)
        store.folder(*secret).chmod(0o700)

        def seen() -> object:
            survey = Survey.of(store.root)
            return [(item.key, item.state) for item in survey.items], len(survey.garbage)

        states = sorted([(secret[1], "unreadable"), (open_[1], "whole")])
        assert as_user(seen, NOBODY, (), 0o022) == str((states, 1))
        told = as_user(lambda: collect(store), NOBODY, (), 0o022)
        assert "no permission (it belongs to root" in told and "as the owner" in told
        assert len(there(store)) == 2
    finally:
        shutil.rmtree(public)


def test_results_of_other_users_are_told(store: Store, monkeypatch) -> None:
    result = made(store, "zoo", 1)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(module.os, "rename", refuse)
    done = collect(store)
    assert done.refused == [store.folder(*result)] and done.size == 0


def test_an_empty_place_is_no_mistake(tmp_path: Path) -> None:
    done = collect(Store(tmp_path / "nothing"))
    assert done.size == 0 and not (tmp_path / "nothing").exists()


def test_the_trash_of_this_process_id_is_no_obstacle(store: Store) -> None:
    result = made(store, "zoo", 1)
    old = store.root / f".trash.{mark()}" / f"zoo.{result[1]}"
    old.mkdir(parents=True)
    (old / "x").touch()
    collect(store)
    assert there(store) == [] and not list(store.root.glob(".trash.*"))

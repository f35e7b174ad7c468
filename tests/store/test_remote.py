"""A store at an address: fetched, verified and uploaded, and never half a result."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tina_kit.api import TinaKitError, UserError, cache_folder
from tina_kit.store import Draft, Store, content_key, remote
from tina_kit.store.remote import Remote

KEY = content_key({"stage": "fit", "version": 1, "settings": {}, "after": []})
LINEAGE = {"version": 1, "after": []}


class Counting:
    """A file system of fsspec that counts what it is asked for, and fails where it is told to."""

    def __init__(self, files: Any) -> None:
        self.files, self.asked = files, Counter[str]()
        self.failing: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def call(*words: Any, **named: Any) -> Any:
            self.asked[name] += 1
            if name in self.failing:
                raise OSError("the line is dead")
            return getattr(self.files, name)(*words, **named)

        return call


class Machines:
    """Stores with folders of their own and one address."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    def store(self, name: str) -> Store:
        return Store(self.folder / name, Remote(self.address))

    def counted(self, name: str) -> tuple[Store, Counting]:
        store = self.store(name)
        assert store.remote is not None
        files, path = store.remote._place
        counting = Counting(files)
        store.remote._place = counting, path  # type: ignore[misc]
        return store, counting


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path, f"file://{tmp_path}/far/away/")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Where the result lies at the address."""
    return tmp_path / "far" / "away" / "fit" / KEY


def write(draft: Draft) -> None:
    draft.save_json("parts/answer.json", {"answer": 42})
    draft.save_tensors("answer.safetensors", {"x": torch.arange(4)})


def ensure(store: Store, compute: Callable[[Draft], None] = write) -> float | None:
    return store.ensure("fit", KEY, compute, {}, lineage=LINEAGE)


def computed_twice(draft: Draft) -> None:
    pytest.fail("computed twice")


def test_another_machine_fetches_what_one_has_computed(machines: Machines, tmp_path: Path) -> None:
    first, second = machines.store("first"), machines.store("second")
    assert not second.has("fit", "0" * 24)
    assert ensure(first) is not None
    second = machines.store("second")
    assert second.has("fit", KEY) and not second.here("fit", KEY)
    assert ensure(second, computed_twice) is None
    assert second.open("fit", KEY).json("parts/answer.json") == {"answer": 42}
    left, right = ({p.relative_to(s.root): p.read_bytes() for p in s.root.rglob("*") if p.is_file()}
                   for s in (first, second))  # fmt: skip
    assert left == right and len(left) == 3
    shutil.rmtree(tmp_path / "far")
    assert ensure(machines.store("second"), computed_twice) is None  # and uploads it again
    assert machines.store("third").open("fit", KEY).tensors("answer.safetensors")["x"].sum() == 6
    assert machines.store("fourth").shape("fit", KEY, "answer.safetensors", "x") == (4,)


def test_a_store_in_memory_works_the_same(tmp_path: Path) -> None:
    machines = Machines(tmp_path, f"memory://{tmp_path.name}/store")
    ensure(machines.store("first"))
    assert ensure(machines.store("second"), computed_twice) is None


def test_half_a_result_counts_as_none_and_is_completed(
    machines: Machines, there: Path, caplog
) -> None:
    ensure(machines.store("first"))
    (there / "entry.json").unlink()
    second = machines.store("second")
    assert not second.has("fit", KEY)
    assert ensure(second) is not None
    assert ensure(machines.store("third"), computed_twice) is None
    assert not caplog.records


def alter(there: Path) -> None:
    content = bytearray((there / "answer.safetensors").read_bytes())
    content[-1] ^= 1
    (there / "answer.safetensors").write_bytes(content)


def lose(there: Path) -> None:
    (there / "answer.safetensors").unlink()


def cut(there: Path) -> None:
    (there / "entry.json").write_text((there / "entry.json").read_text()[:100])


def lure(there: Path) -> None:
    """Out of the folder."""
    entry = json.loads((there / "entry.json").read_text())
    entry["files"]["../../../stolen.json"] = {"bytes": 2, "sha256": "?"}
    (there / "entry.json").write_text(json.dumps(entry))
    (there.parents[2] / "stolen.json").write_text("{}")


def swap(there: Path) -> None:
    """For the result of other settings."""
    entry = json.loads((there / "entry.json").read_text())
    (there / "entry.json").write_text(json.dumps({**entry, "settings": {"steps": 1}}))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (alter, "answer.safetensors was altered"),
        (lose, "some of its files are missing"),
        (cut, "entry.json was altered"),
        (lure, "entry.json was altered"),
        (swap, "entry.json was altered: it does not give the key"),
    ],
)
def test_a_damaged_result_is_refused_computed_again_and_mended(
    machines: Machines, there: Path, caplog, damage: Callable[[Path], None], why: str
) -> None:
    ensure(machines.store("first"))
    damage(there)
    assert ensure(machines.store("second")) is not None
    [line] = caplog.messages
    assert line == f"{machines.address}fit/{KEY}: not used, since {why}; it is computed again"
    assert not list(machines.folder.rglob("second/stolen.json"))
    assert ensure(machines.store("third"), computed_twice) is None
    assert len(caplog.records) == 1


def test_a_damaged_result_that_is_read_without_a_run_says_so(
    machines: Machines, there: Path, caplog
) -> None:
    ensure(machines.store("first"))
    alter(there)
    with pytest.raises(TinaKitError, match="is not in the store"):
        machines.store("second").open("fit", KEY)
    assert "was altered" in caplog.text
    assert not list(machines.folder.glob("second/.partial"))


def test_a_refused_result_is_fetched_once_somebody_else_has_computed_it(
    machines: Machines, there: Path, caplog
) -> None:
    """As by the process that leads a run on a cluster."""
    ensure(machines.store("first"))
    alter(there)
    leader = machines.store("leader")
    leader.fetch([("fit", KEY)], lambda line: None)
    assert not leader.has("fit", KEY) and ensure(machines.store("node")) is not None
    leader.learn("fit", KEY)
    assert leader.has("fit", KEY)
    assert leader.open("fit", KEY).json("parts/answer.json") == {"answer": 42}
    assert len(caplog.records) == 2  # each of both has seen it


def test_the_first_of_two_machines_that_compute_the_same_is_kept(
    machines: Machines, there: Path
) -> None:
    first, second = machines.store("first"), machines.store("second")
    entries = []

    def slowly(draft: Draft) -> None:
        ensure(first)
        entries.append((there / "entry.json").read_bytes())
        write(draft)

    assert ensure(second, slowly) is not None
    assert (there / "entry.json").read_bytes() == entries[0]


def test_what_was_stored_meanwhile_is_not_computed(machines: Machines) -> None:
    second = machines.store("second")
    assert not second.has("fit", KEY)  # it has asked
    ensure(machines.store("first"))
    assert ensure(second, computed_twice) is None


def test_a_failed_upload_loses_nothing_and_is_made_up_for(
    machines: Machines, there: Path, caplog, monkeypatch
) -> None:
    store, files = machines.counted("first")
    files.failing = {"put"}
    assert ensure(store) is not None
    store.ensure("fit", "0" * 24, write, {})
    [line] = caplog.messages
    assert "the line is dead" in line and "run the same command again to upload them" in line
    assert files.asked["put"] == 1  # it does not wait for a dead line again and again
    assert store.open("fit", KEY).json("parts/answer.json") and not there.exists()
    assert ensure(machines.store("first"), computed_twice) is None
    assert ensure(machines.store("second"), computed_twice) is None
    assert (there / "entry.json").exists() and not (there.parent / ("0" * 24)).exists()
    monkeypatch.setattr(remote, "AGAIN_S", 0)
    store, files = machines.counted("first")
    files.failing = {"put"}
    for key in "abc":
        store.ensure("fit", key, write, {})
    assert files.asked["put"] == 3 and len(caplog.records) == 2  # one line for each process


def test_a_kill_while_uploading_leaves_half_a_result_that_the_next_run_completes(
    machines: Machines, there: Path
) -> None:
    def run() -> None:
        store, files = machines.counted("first")
        put = files.files.put

        def dying(*words: Any) -> None:
            put(*words)
            os.kill(os.getpid(), signal.SIGKILL)

        files.files.put = dying
        ensure(store)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert (there / "answer.safetensors").exists() and not (there / "entry.json").exists()
    assert not machines.store("second").has("fit", KEY)
    assert ensure(machines.store("first"), computed_twice) is None
    assert ensure(machines.store("second"), computed_twice) is None


def test_a_plan_is_asked_for_with_one_listing_and_fetched_with_two_calls_each(
    tmp_path: Path,
) -> None:
    machines = Machines(tmp_path, f"memory://{tmp_path.name}/store")
    store, files = machines.counted("first")
    keys = [content_key(number) for number in range(2_000)]
    content = files.files.store  # of all file systems in memory
    entry = f"/{tmp_path.name}/store/zoo/{{}}/entry.json"
    some = files.files.open(entry.format(keys[0]), "wb")
    content.update({entry.format(key): some for key in keys})
    assert all(store.has("zoo", key) for key in keys) and not store.has("zoo", "0" * 24)
    assert files.asked == {"find": 1}
    for key in keys:
        del content[entry.format(key)]

    for number in range(30):
        store.ensure("zoo", str(number), write, {})
    # Is it there by now? Once before it is computed, and once before it is uploaded.
    assert files.asked == {"find": 1, "get": 30, "exists": 30, "put": 60}
    second, files = machines.counted("second")
    told: list[str] = []
    wanted = [("zoo", str(number)) for number in range(40)]
    second.fetch(wanted, told.append)
    second.fetch(wanted, told.append)
    assert told == [f"fetching 30 results from {machines.address}"]
    assert files.asked == {"find": 1, "get": 60}
    assert all(second.here(*each) for each in wanted[:30])
    assert not list(second.root.glob(".partial"))


@pytest.mark.parametrize("call", ["find", "get"])
def test_an_address_that_does_not_answer_is_one_message(machines: Machines, call: str) -> None:
    ensure(machines.store("first"))
    store, files = machines.counted("second")
    files.failing = {call}
    match = f"^{machines.address[:-1]}: the store cannot be reached: the line is dead. Check the "
    with pytest.raises(UserError, match=match):
        store.fetch([("fit", KEY)], lambda line: None)
    with pytest.raises(UserError, match=match):
        ensure(store, computed_twice)


def test_a_line_that_dies_meanwhile_stops_nobody(machines: Machines, caplog) -> None:
    store, files = machines.counted("first")
    assert not store.has("fit", KEY)
    files.failing = {"get", "put", "exists", "find"}
    assert ensure(store) is not None
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("address", "what"),
    [("nothing://x/y", "Protocol not known: nothing. Check"), ("s3://x/y", r"tina-kit\[remote\]")],
)
def test_an_address_that_needs_more_says_what(monkeypatch, address: str, what: str) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(UserError, match=f"^{address}: the store cannot be reached: .*{what}"):
        Store.of(address).has("fit", KEY)


@pytest.mark.parametrize(
    ("address", "what"), [("s3://", "write it like"), ("sftp://me:secret@host/x", "a password")]
)
def test_a_wrong_address_is_one_message(monkeypatch, address: str, what: str) -> None:
    monkeypatch.setenv("TINA_KIT_STORE", address)
    with pytest.raises(UserError, match=f"^TINA_KIT_STORE: .*{what}") as told:
        Store.default()
    assert "secret" not in str(told.value)


def test_each_address_has_a_folder_in_the_users_cache(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    roots = set()
    for address in ("s3://bucket/one", "s3://bucket/one/", "s3://bucket-one", "gs://bucket/one"):
        monkeypatch.setenv("TINA_KIT_STORE", address)
        store = Store.default()
        assert store.place == address.rstrip("/") and store.root == cache_folder()
        assert Store.of_run("/gone").place == store.place
        roots.add(store.root)
    assert len(roots) == 3 and {root.parent for root in roots} == {tmp_path / "tina-kit" / "stores"}
    assert cache_folder("mine").parent == store.root.parent
    monkeypatch.delenv("TINA_KIT_STORE")
    assert Store.of_run("gs://bucket/one").root == store.root  # as a run recorded it


def test_nothing_of_fsspec_is_imported_for_a_folder() -> None:
    code = "import sys, tina_kit.store as s; s.Store.of('x').has('a', 'b'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fsspec" not in done.stdout.split()

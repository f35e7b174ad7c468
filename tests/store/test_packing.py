"""Results travel in one file and arrive as they were, or not at all."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.store.many import made
from tina_kit.api import TinaKitError, UserError
from tina_kit.store import Draft, Store, packing, write_json
from tina_kit.store.collecting import Collector, Survey
from tina_kit.store.listing import items
from tina_kit.store.names import Names, Result
from tina_kit.store.packing import pack, unpack
from tina_kit.store.sealing import verified


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return Store(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store(tmp_path / "there")


@pytest.fixture
def packed(here: Store, tmp_path: Path) -> tuple[Path, list[Result]]:
    images = made(here, "images", 1)
    results = [images, made(here, "generic", 1, [images])]
    pack(here, results, tmp_path / "run.zip", "tiny (1)")
    return tmp_path / "run.zip", results


def test_results_arrive_as_they_were(packed, there: Store) -> None:
    path, results = packed
    done = unpack(there, path)
    assert sorted(done.new) == sorted(results) and done.title == "tiny (1)"
    for result in results:
        assert there.open(*result).json("answer.json") == {"answer": "1" * 20}
        assert verified(there.folder(*result), result) == ""
    assert not unpack(there, path).new
    assert {p.name for p in there.root.iterdir()} == {".names", "generic", "images"}


def test_what_was_unpacked_is_pinned(packed, there: Store) -> None:
    unpack(there, packed[0])
    [name] = Names(there.root).all()
    assert (name.kind, name.what) == ("pin", "unpacked: tiny (1)")
    Collector(Survey.of(there.root)).collect()
    assert len(list(items(there.root))) == 2


def test_tensors_and_folders_travel_too(here: Store, there: Store, tmp_path: Path) -> None:
    def compute(draft: Draft) -> None:
        (draft.folder / "conditioner").mkdir()
        draft.save_tensors("conditioner/x.safetensors", {"x": torch.arange(3.0)})

    here.ensure("conditioner", "k", compute, {})
    pack(here, [("conditioner", "k")], tmp_path / "x", "x")
    unpack(there, tmp_path / "x")
    found = there.open("conditioner", "k").tensors("conditioner/x.safetensors")
    assert found["x"].tolist() == [0, 1, 2]


def test_the_same_results_give_the_same_bytes(packed, here: Store, tmp_path: Path) -> None:
    path, results = packed
    pack(here, reversed(results), tmp_path / "again", "tiny (1)")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_damage_is_not_packed(here: Store, tmp_path: Path) -> None:
    result = made(here, "images", 1)
    (here.folder(*result) / "answer.json").write_text("{}")
    with pytest.raises(TinaKitError, match=r"answer\.json has 2 bytes"):
        pack(here, [result], tmp_path / "x", "x")
    with pytest.raises(TinaKitError, match="not in the store"):
        pack(here, [("zoo", "k")], tmp_path / "x", "x")
    assert not (tmp_path / "x").exists()


def rewritten(path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """The archive with each member as `change` gives it, if it does."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for member in filter(None, (change(*member) for member in members)):
            archive.writestr(*member)
    return path


def altered(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content.replace(b"1111", b"2222") if name.endswith("answer.json") else content


def other_settings(name: str, content: bytes) -> tuple[str, bytes]:
    """An `entry.json` whose hashes are right, for another key than its own."""
    return name, content.replace(b'"number": "1"', b'"number": "2"')


def outside(name: str, content: bytes) -> tuple[str, bytes]:
    return name.replace("images/", "../images/"), content


def hidden(name: str, content: bytes) -> tuple[str, bytes]:
    return name.replace("images/", ".names/"), content


def code(name: str, content: bytes) -> tuple[str, bytes]:
    return name.replace("answer.json", "answer.pt"), content


def fewer(name: str, content: bytes) -> tuple[str, bytes] | None:
    return None if name.startswith("images") else (name, content)


def newer(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content.replace(b'"version": 1', b'"version": 7', 1)


def no_manifest(name: str, content: bytes) -> tuple[str, bytes] | None:
    return None if name == "results.json" else (name, content)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (altered, "answer.json was altered"),
        (other_settings, "does not give the key"),
        (outside, "it has members that no archive has: ../images/"),
        (hidden, "it has members that no archive has: .names/"),
        (code, "it has members that no archive has: .*answer.pt"),
        (fewer, "lists other results than it holds"),
        (newer, "format 7, but this tina-kit reads format 1"),
        (no_manifest, "not an archive of results: it has no results.json"),
    ],
)
def test_nothing_is_added_of_an_archive_that_was_changed(
    packed, there: Store, change, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        unpack(there, rewritten(packed[0], change))
    assert not list(there.root.glob("[!.]*")) and not list(there.root.glob(".unpacked.*"))
    assert Names(there.root).all() == []


@pytest.mark.parametrize("part", [0, 0.3, 0.9, 0.999])
def test_a_part_of_an_archive_is_one_message(packed, there: Store, part: float) -> None:
    content = packed[0].read_bytes()
    packed[0].write_bytes(content[: int(part * len(content))])
    with pytest.raises(UserError, match="not an archive of results, or a damaged one"):
        unpack(there, packed[0])


def test_no_flipped_bit_gets_in(packed, there: Store) -> None:
    path, results = packed
    content = path.read_bytes()
    for place in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            unpack(there, path)
        except UserError:
            continue
        assert all(verified(there.folder(*result), result) == "" for result in results)


def test_compressed_members_are_refused(packed, there: Store) -> None:
    with zipfile.ZipFile(packed[0], "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/k/bomb.json", "0" * 10**6)
    with pytest.raises(UserError, match="compressed"):
        unpack(there, packed[0])


def test_a_missing_file_is_one_message(there: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read an archive of results"):
        unpack(there, tmp_path / "nothing")


def test_a_full_disk_is_not_the_archive_s_fault(packed, there: Store, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(packing, "extract", full)
    with pytest.raises(TinaKitError, match="no space left on this disk") as caught:
        unpack(there, packed[0])
    assert not isinstance(caught.value, UserError)


def test_verified_tells_what_is_wrong(here: Store) -> None:
    result = made(here, "zoo", 1)
    folder = here.folder(*result)
    assert verified(folder, result) == ""
    (folder / "extra.json").write_text("{}")
    assert verified(folder, result) == "extra.json does not belong to it"
    (folder / "extra.json").unlink()
    assert "is that of zoo/" in verified(folder, ("zoo", "k"))
    entry = json.loads((folder / "entry.json").read_text())
    write_json(folder / "entry.json", {**entry, "settings": {"number": "2"}})
    assert "does not give the key" in verified(folder, result)
    write_json(folder / "entry.json", {**entry, "after": 3})
    assert verified(folder, result) == "entry.json was altered"
    (folder / "entry.json").write_text("{")
    assert verified(folder, result) == "entry.json was altered"
    (folder / "entry.json").unlink()
    assert verified(folder, result) == "entry.json is missing"

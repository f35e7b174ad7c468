"""A run as one file: the same run elsewhere, and nothing else comes out of it."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tina_kit
from tests.run_folders import make_run
from tina_kit.api import UserError
from tina_kit.store import Store
from tina_kit.store.names import Names

RIGHT = {"tina": {0: {"ood": [60, 61, 62, 63]}}}
NAME = "20261101-120000-0a1b2c3d"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "made" / NAME, RIGHT)


@pytest.fixture
def archive(run: Path, tmp_path: Path) -> Path:
    tina_kit.export_run(run, tmp_path / "run.zip")
    return tmp_path / "run.zip"


def test_a_run_comes_back_as_it_was(run: Path, tmp_path: Path) -> None:
    (run / "plots").mkdir()
    (run / "plots" / "a study.png").write_bytes(b"png")
    (run / "secret.txt").write_text("what no run writes")
    tina_kit.tag_run(run, ["paper"])
    tina_kit.note_run(run, "a note")
    size = tina_kit.export_run(run, tmp_path / "run.zip")
    assert size == (tmp_path / "run.zip").stat().st_size
    folder = tina_kit.import_run(tmp_path / "run.zip", tmp_path / "elsewhere")
    assert folder == tmp_path / "elsewhere" / "made" / NAME
    files = {path.relative_to(run) for path in run.rglob("*")} - {Path("secret.txt")}
    assert {path.relative_to(folder) for path in folder.rglob("*")} == files
    assert all((folder / f).read_bytes() == (run / f).read_bytes() for f in files if f.suffix)
    (row,) = tina_kit.list_runs(tmp_path / "elsewhere")
    assert (row["tags"], row["note"]) == (["paper"], "a note")
    assert tina_kit.compare([run, folder]).pairs[0]["same"]


def test_the_store_keeps_the_results_of_an_imported_run(archive: Path, tmp_path: Path) -> None:
    folder = tina_kit.import_run(archive, tmp_path / "elsewhere")
    (name,) = Names(Store.default().root).all()
    assert (name.kind, name.what, name.title) == ("run", str(folder.resolve()), "made")
    assert ("images", "images-key") in name.results and name.presence == "there"


def test_equal_runs_give_equal_files(run: Path, archive: Path, tmp_path: Path) -> None:
    tina_kit.export_run(run, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_an_old_run_folder_gets_its_counts_from_the_store(
    finished: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(finished[2], old, ignore=shutil.ignore_patterns("evaluations.json"))
    tina_kit.export_run(old, tmp_path / "old.zip")
    folder = tina_kit.import_run(tmp_path / "old.zip", tmp_path / "elsewhere")
    counted = json.loads((folder / "evaluations.json").read_text())
    assert counted == tina_kit.open_run(finished[2]).evaluations


def test_a_run_that_is_there_is_not_replaced(run: Path, archive: Path) -> None:
    with pytest.raises(UserError, match="there is such a run already"):
        tina_kit.import_run(archive, run.parent.parent)


def test_only_finished_runs_are_exported(run: Path, tmp_path: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    with pytest.raises(UserError, match="this run failed"):
        tina_kit.export_run(run, tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()


def altered(archive: Path, change: Callable[[dict[str, bytes]], Any]) -> Path:
    """The archive with other members."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    path = archive.with_name("altered.zip")
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    return path


def manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        told = {**json.loads(members["archive.json"]), **changes}
        members["archive.json"] = json.dumps(told).encode()

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.update({"../evil": b""}), "it has members that no archive of a run has"),
        (lambda m: m.update({"/etc/evil": b""}), "it has members that no archive of a run has"),
        (lambda m: m.update({"plots/../../evil": b""}), "it has members that no archive"),
        (lambda m: m.update({"plots/.hidden": b""}), "it has members that no archive"),
        (lambda m: m.update({"plots/a/b.png": b""}), "it has members that no archive"),
        (lambda m: m.update({"evil.py": b""}), "it has members that no archive"),
        (lambda m: m.pop("archive.json"), "it has no archive.json"),
        (lambda m: m.pop("run.json"), "it has no run.json"),
        (lambda m: m.update({"run.json": b"{}"}), "run.json: cannot be read: status"),
        (lambda m: m.update({"archive.json": b"[]"}), "not an archive of a run"),
        (lambda m: m.update({"archive.json": b" " * (1 << 17)}), "archive.json is too large"),
        (manifest(version=2), "this archive has format 2"),
        (manifest(name="../up"), "archive.json names no folder"),
        (manifest(folder="..", name="x"), "archive.json names no folder"),
        (manifest(name=3), "archive.json names no folder"),
        (manifest(name="other"), "name different runs"),
    ],
)
def test_an_archive_that_no_export_writes_is_refused(
    archive: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], Any], told: str
) -> None:
    with pytest.raises(UserError) as caught:
        tina_kit.import_run(altered(archive, change), tmp_path / "elsewhere")
    assert told in str(caught.value) and "\n" not in str(caught.value)
    left = [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert left == [] and not (tmp_path / "evil").exists()


def test_links_are_refused(archive: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("report.md")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="links"):
        tina_kit.import_run(archive, tmp_path / "elsewhere")


def test_compressed_members_are_refused(archive: Path, tmp_path: Path) -> None:
    """So that a small file cannot fill the disk."""
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("report.md", b"0" * 1_000_000)
    with pytest.raises(UserError, match="compressed or encrypted"):
        tina_kit.import_run(archive, tmp_path / "elsewhere")


def test_a_damaged_archive_is_told(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(UserError, match="not an archive of a run, or a damaged one"):
        tina_kit.import_run(archive, tmp_path / "elsewhere")
    archive.write_bytes(b"no zip")
    with pytest.raises(UserError, match="not an archive of a run, or a damaged one"):
        tina_kit.import_run(archive, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").rglob("*.json"))


def test_a_place_that_cannot_be_written_is_told(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        tina_kit.import_run(archive, tmp_path / "file")

"""Plugins of other distributions are known by what they declared, whatever their import does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugins.installed import PART, TORN, install
from tina_kit.plugins import discover
from tina_kit.plugins.registry import UnknownComponent


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of distributions, on the path."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store" / ".plugins").glob("*.json"))


def unique(tmp_path: Path, name: str) -> str:
    """A module's name that no other test has imported."""
    return f"{name}_{tmp_path.name}".replace("-", "_")


def owner(name: str) -> str:
    return name.replace("_", "-")


def test_a_plugin_is_imported_once_and_then_known_by_its_declaration(
    site: Path, tmp_path: Path
) -> None:
    witness = tmp_path / "imports"
    name = unique(tmp_path, "witnessed")
    install(site, name, f"open({str(witness)!r}, 'a').write('x')\n" + PART)
    for _ in range(3):
        assert f"{owner(name)}/dots" in [e.full_name for e in discover().of_kind("dataset")]
    assert witness.read_text() == "x" and name not in sys.modules


def test_using_a_component_imports_its_plugin(site: Path, tmp_path: Path) -> None:
    name = unique(tmp_path, "used")
    install(site, name, PART)
    discover().get("dataset", f"{owner(name)}/dots")
    assert name in sys.modules


def test_a_changed_module_is_asked_again(site: Path, tmp_path: Path) -> None:
    name = unique(tmp_path, "changed")
    module = install(site, name, PART)
    discover()
    module.write_text(PART.replace('"dots"', '"stripes"'))
    assert f"{owner(name)}/stripes" in [e.full_name for e in discover().registered]
    assert len(kept(tmp_path)) == 1


def test_a_failure_is_kept_until_something_is_installed(site: Path, tmp_path: Path) -> None:
    witness = tmp_path / "imports"
    name = unique(tmp_path, "failing")
    install(site, name, f"open({str(witness)!r}, 'a').write('x')\nimport {name}_help\n" + PART)
    for _ in range(3):
        [failure] = discover().failures
    assert witness.read_text() == "x"
    assert failure.stage == "import" and f"pip install {name}_help" in failure.remedy
    (site / f"{name}_help.py").write_text("")
    os.utime(site, (1, 1))  # whatever the clock's steps are
    assert not discover().failures


def test_a_wrong_name_asks_failed_plugins_anew(site: Path, tmp_path: Path) -> None:
    cure = tmp_path / "cure"
    name = unique(tmp_path, "cured")
    install(site, name, f"import os\nassert os.path.exists({str(cure)!r})\n" + PART)
    registry = discover()
    assert [f.owner for f in registry.failures] == [owner(name)]
    cure.touch()
    assert registry.get("dataset", "dots").owner == owner(name)
    assert not registry.failures


def test_a_slow_plugin_is_pending_while_there_is_no_time(site: Path, tmp_path: Path) -> None:
    name = unique(tmp_path, "slow")
    install(site, name, "import time; time.sleep(1.5)\n" + PART)
    start = time.perf_counter()
    registry = discover(patience=0.01)
    assert time.perf_counter() - start < 1.4
    assert [plugin.owner for plugin in registry.pending] == [owner(name)]
    assert registry.get("dataset", "dots").owner == owner(name)  # who asks for it, waits
    assert not registry.pending
    [flaw] = registry.failures
    assert "seconds to import" in flaw.reason and not flaw.left_out


def test_a_changed_mind_is_told_where_the_component_is_used(site: Path, tmp_path: Path) -> None:
    name = unique(tmp_path, "moody")
    mood = tmp_path / "mood"
    mood.write_text("dots")
    code = PART.replace('"dataset", "dots"', f'"dataset", open({str(mood)!r}).read()')
    install(site, name, code)
    registry = discover()
    mood.write_text("stripes")
    with pytest.raises(UnknownComponent, match="declares dataset dots otherwise"):
        registry.get("dataset", "dots")


def test_what_is_kept_is_for_all_whom_the_umask_lets_read_it(site: Path, tmp_path: Path) -> None:
    """A group shares a store, and what lies beside it."""
    install(site, unique(tmp_path, "shared"), PART)
    before = os.umask(0o002)
    try:
        discover()
    finally:
        os.umask(before)
    [file] = kept(tmp_path)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o664, 0o775)


def test_what_a_killed_process_was_writing_is_removed(site: Path, tmp_path: Path) -> None:
    install(site, unique(tmp_path, "left"), PART)
    folder = tmp_path / "store" / ".plugins"
    folder.mkdir(parents=True)
    for name, age in ((".new-old", 3600), (".new-now", 0)):
        (folder / name).write_text("")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    discover()
    assert [path.name for path in folder.glob(".new-*")] == [".new-now"]


def test_without_a_home_plugins_are_imported_here(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of a container, say, who has no entry among its users; nothing is made in a folder
    that is called ~."""
    name = unique(tmp_path, "homeless")
    install(site, name, PART)
    monkeypatch.delenv("TINA_KIT_STORE")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda user: {}[user])
    monkeypatch.chdir(tmp_path)
    assert f"{owner(name)}/dots" in [e.full_name for e in discover().of_kind("dataset")]
    assert name in sys.modules and not (tmp_path / "~").exists()


def test_where_nothing_can_be_kept_plugins_are_imported_here(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "store").write_text("a file where the store should be")
    name = unique(tmp_path, "homeless")
    install(site, name, "print('hello')\n" + PART)
    assert discover().get("dataset", "dots").owner == owner(name)
    assert name in sys.modules
    told = capsys.readouterr()
    assert told.out == "" and "hello" in told.err


REASONS = {
    "raises": ("import", "RuntimeError: no GPU"),
    "exits": ("import", "SystemExit: 3"),
    "crashes": ("import", "ended by signal"),
    "lacks": ("import", "No module named 'a_package_that_is_nowhere'"),
    "unhooked": ("register", "unknown hook tina_kit_unheard_of"),
    "misnamed": ("components", "target must be 'module:attribute'"),
    "untargeted": ("target", "there is no module nowhere_at_all"),
    "newer": ("api", "version 2 of tina_kit.api, which is newer"),
    "prints": ("import", "it prints when it is imported"),
    "sleeps": ("import", "seconds to import"),
}


def call(site: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "tina_kit", *words],
        env={**os.environ, "PYTHONPATH": path, "TINA_KIT_STORE": str(tmp_path / "store")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
    )


def test_ten_broken_plugins_cost_nothing_and_are_all_explained(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    for name, code in TORN.items():
        install(site, name, code)

    # Even when nothing is known yet nobody waits for the one that sleeps three seconds.
    start = time.perf_counter()
    first = call(site, tmp_path, "list", "--json")
    assert time.perf_counter() - start < 2.5
    assert first.returncode == 0 and json.loads(first.stdout)

    doctor = call(site, tmp_path, "doctor", "--json")
    told = {row["owner"]: row for row in json.loads(doctor.stdout)["plugins"]}
    assert doctor.returncode == 0 and told.keys() == REASONS.keys()
    for name, (stage, reason) in REASONS.items():
        assert (told[name]["stage"], told[name]["version"]) == (stage, "1.0")
        assert reason in told[name]["reason"]
        assert f"TINA_KIT_DISABLE_PLUGINS={name}" in told[name]["remedy"]
        assert told[name]["left_out"] == (name not in ("prints", "sleeps"))

    taken = []
    for _ in range(5):
        start = time.perf_counter()
        listed = call(site, tmp_path, "list", "--json")
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.5
    names = {row["full_name"] for row in json.loads(listed.stdout)}
    assert {"prints/dots", "sleeps/dots", "tina-kit/tina-dit"} <= names
    assert len(listed.stderr.splitlines()) == 1 and "8 plugins are left out" in listed.stderr

    strict = call(site, tmp_path, "list", "--strict-plugins")
    assert strict.returncode == 1 and strict.stdout == ""
    assert "raises is left out" in strict.stderr and "Traceback" not in strict.stderr

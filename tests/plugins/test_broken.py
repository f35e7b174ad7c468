"""Whatever the import of a plugin does, it costs nobody else anything and is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forked import completed as call
from tests.plugins.installed import AT_ONCE, MORE_AT_ONCE, PART, install
from tina_kit.plugins import discover
from tina_kit.plugins.registry import UnknownComponent

PRINTS = """\
import logging, os, sys, warnings
print("print")
sys.stderr.write("stderr")
os.write(1, b"descriptor")
os.system("echo process")
warnings.warn("warning")
logging.getLogger("part").warning("log")
"""


def started(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run that imports all that it needs."""
    command = [sys.executable, "-m", "tina_kit", *words]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90)


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Its stderr, without what a busy machine adds."""
    return [line for line in done.stderr.splitlines() if not line.startswith("slow: ")]


def unique(folder: Path, name: str) -> str:
    """A module's name that no other test has imported."""
    return f"{name}_{folder.parent.name}".replace("-", "_")


@pytest.mark.parametrize("name", {**AT_ONCE, **MORE_AT_ONCE})
def test_a_broken_plugin_is_named_with_the_reason_the_file_and_the_line(
    site: Path, name: str
) -> None:
    code, stage, reason, line = {**AT_ONCE, **MORE_AT_ONCE}[name]
    module = install(site, unique(site, name), code)
    install(site, unique(site, "works"), PART)
    registry = discover()
    [failure] = registry.failures
    assert (failure.stage, failure.left_out) == (stage, True)
    assert reason in failure.reason and "\n" not in str(failure)
    assert failure.file == (f"{module}:{line}" if line else "")
    assert "Traceback" in failure.traceback
    assert [
        entry.plugin.module for entry in registry.of_kind("dataset") if "dots" in entry.full_name
    ] == [unique(site, "works")]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("torn = not a module!", "must be 'module' or 'module:object', not 'not a module!'"),
        ("torn = nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("torn = json:nothing", "has no attribute 'nothing'"),
        ("torn", "its entry_points.txt is malformed"),
    ],
)
def test_a_distribution_with_broken_metadata_is_named(
    site: Path, metadata: str, reason: str
) -> None:
    install(site, "torn", "")
    points = site / "torn-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"[tina_kit.plugins]\n{metadata}\n")
    install(site, unique(site, "works"), PART)
    registry = discover()
    [failure] = registry.failures
    assert failure.owner == "torn" and reason in failure.reason
    assert registry.get("dataset", "dots") and registry.get("generator", "tina-dit")


def test_a_distribution_without_a_name_costs_nothing(site: Path) -> None:
    name = unique(site, "torn")
    install(site, name, PART)
    (site / f"{name}-1.0.dist-info" / "METADATA").unlink()
    assert discover().get("dataset", "unknown/dots")


@pytest.mark.slow
def test_ten_broken_plugins_leave_list_as_fast_and_doctor_names_them_all(site: Path) -> None:
    def seconds(**environment: str) -> float:
        start = time.perf_counter()
        assert started("list", "--json", **environment).returncode == 0
        return time.perf_counter() - start

    for name, (code, *_) in AT_ONCE.items():
        install(site, name, code)
    assert any(seconds() - seconds(TINA_KIT_DISABLE_PLUGINS="all") < 0.1 for _ in range(4))

    listed = call("list", "--json")
    assert {row["owner"] for row in json.loads(listed.stdout)} == {"tina-kit"}
    [line] = told(listed)
    assert "10 plugins were skipped" in line
    strict = call("list", "--strict-plugins")
    assert (strict.returncode, strict.stdout) == (1, "")
    assert "raises was skipped" in strict.stderr and "Traceback" not in strict.stderr

    doctor = call("doctor", "--json")
    rows = {row["owner"]: row for row in json.loads(doctor.stdout)["plugins"]}
    assert doctor.returncode == 0 and rows.keys() == AT_ONCE.keys()
    for name, (_, stage, reason, line) in AT_ONCE.items():
        row = rows[name]
        assert (row["stage"], row["version"], row["left_out"]) == (stage, "1.0", True)
        assert reason in row["reason"] and row["file"].endswith(f"{name}.py:{line}")
        assert f"TINA_KIT_DISABLE_PLUGINS={name}" in row["remedy"]


@pytest.mark.parametrize("words", [("list",), ("nothing",)])
def test_what_a_plugin_prints_is_not_seen(site: Path, words: tuple[str, ...]) -> None:
    bare = call(*words)
    install(site, "loud", PRINTS)
    assert "print" not in call(*words).stdout
    install(site, "loud", PRINTS + PART)
    loud = call(*words)
    assert told(loud) == told(bare)
    assert [line for line in loud.stdout.splitlines() if "loud" not in line] == (
        bare.stdout.splitlines()
    )


def test_output_goes_where_it_went_before(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    install(site, unique(site, "loud"), PRINTS + PART)
    stdin = sys.stdin
    assert discover().get("dataset", "dots")
    assert capfd.readouterr() == ("", "")
    print("out")
    os.write(2, b"error")
    assert capfd.readouterr() == ("out\n", "error") and sys.stdin is stdin


def test_a_slow_plugin_is_named_by_one_line_of_list(site: Path) -> None:
    install(site, "sleeps", "import time\ntime.sleep(0.4)\n" + PART)
    install(site, "dawdles", "import time\ntime.sleep(0.4)\nraise RuntimeError")
    listed = call("list", "dataset")
    assert "dots" in listed.stdout
    [skipped, slow] = listed.stderr.splitlines()
    assert "plugin dawdles of dawdles was skipped" in skipped
    assert "plugin sleeps of sleeps: it takes 0.4 s to import" in slow and "dawdles" in slow
    assert "takes" not in call("validate", "recipes/quickstart.yaml").stderr


def test_a_plugin_s_import_of_torch_is_what_makes_it_slow(site: Path) -> None:
    install(
        site, "torchy", "import sys, time\ntime.sleep(0.4)\nsys.modules['torch'] = sys\n" + PART
    )
    assert "to import because it imports torch" in started("list").stderr


def test_ctrl_c_names_the_plugin_that_was_being_imported(site: Path) -> None:
    install(site, "hangs", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n" + PART)
    stopped = call("list")
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[0] == (
        "interrupted while importing plugin hangs of hangs; TINA_KIT_DISABLE_PLUGINS=hangs "
        "disables it"
    )


def test_ctrl_c_inside_another_error_is_ctrl_c(site: Path) -> None:
    code = "try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt as e:\n"
    code += "    raise ImportError from e"
    install(site, unique(site, "wraps"), code)
    with pytest.raises(KeyboardInterrupt):
        discover()


def test_options_that_cannot_be_imported_are_told_where_the_component_is_used(site: Path) -> None:
    name = unique(site, "late")
    (site / f"{name}_options.py").write_text("raise SystemExit('no')")
    code = PART.replace('f"{__name__}:DotsOptions"', f'"{name}_options:DotsOptions"')
    install(site, name, code)
    registry = discover()
    assert not registry.failures
    with pytest.raises(UnknownComponent, match=r"dataset dots: .*:DotsOptions: SystemExit: no"):
        registry.get("dataset", "dots")
    install(site, unique(site, "other"), PART.replace("(Options)", ""))
    with pytest.raises(UnknownComponent, match="it is not a subclass of Options"):
        discover().get("dataset", f"{unique(site, 'other').replace('_', '-')}/dots")


def test_a_plugin_that_needs_a_broken_package_is_listed(site: Path) -> None:
    (site / "torn_package").mkdir()
    (site / "torn_package" / "__init__.py").write_text("print('hello')\nraise RuntimeError")
    install(site, "needy", PART.replace('"Dots.")', '"Dots.", needs=("torn_package.part",))'))
    listed = call("list", "dataset")
    assert "needs torn_package.part: pip install torn_package.part" in listed.stdout
    assert "hello" not in listed.stdout and not told(listed)

"""`doctor` and `list --broken` examine each plugin in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.plugins.installed import COMMAND, PART, install
from tina_kit.cli.app import app
from tina_kit.plugins import Failure, examination


def broken() -> list[dict[str, object]]:
    """What `list --broken` tells; doctor tells the same."""
    told: list[dict[str, object]] = json.loads(
        CliRunner().invoke(app, ["list", "--broken", "--json"]).stdout
    )
    return told


def examined() -> dict[str, Failure]:
    return {failure.owner: failure for failure in examination.examine().registry.failures}


def test_what_ends_or_hangs_its_process_is_named(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "LIMIT_S", 4.0)
    install(site, "hangs", "import time\ntime.sleep(1000)\n" + PART)
    install(site, "leaves", "import os\nos._exit(0)\n" + PART)
    install(site, "crashes", "import os\nos.abort()\n" + PART)
    install(site, "works", PART)
    failures = examined()
    assert {owner: failure.reason for owner, failure in failures.items()} == {
        "hangs": "it was being imported for more than 4 s",
        "leaves": "its process ended with exit code 0 while it was being imported",
        "crashes": "its process ended by signal 6 while it was being imported",
    }
    assert all(failure.left_out for failure in failures.values())
    assert not {"hangs", "leaves", "crashes", "works"} & sys.modules.keys()


def test_what_a_plugin_leaves_running_keeps_nobody_waiting(site: Path) -> None:
    child = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'input()'])\n"
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n"
    install(site, "starts", child + thread + PART)
    assert not examined()


def test_code_that_a_component_names_is_imported_too(site: Path) -> None:
    for name, code in {
        "exits": "import sys\nsys.exit(4)",
        "crashes": "import os\nos.abort()",
    }.items():
        (site / f"{name}_code.py").write_text(code)
        install(site, name, PART.replace('f"{__name__}:Dots"', f'"{name}_code:Dots"'))
    install(site, "lacks", PART.replace(':Dots"', ':Dot"', 1))
    install(site, "uncallable", PART.replace("class Dots:", "Dots = 3\nclass Other:"))
    install(site, "plain", PART.replace("(Options)", ""))
    failures = examined()
    assert {owner: failure.stage for owner, failure in failures.items()} == {
        **dict.fromkeys(("exits", "crashes", "lacks", "uncallable"), "target"),
        "plain": "options",
    }
    assert not any(failure.left_out for failure in failures.values())
    assert failures["exits"].reason == "dataset dots: exits_code:Dots: SystemExit: 4"
    assert "by signal 6 while crashes_code:Dots was being imported" in failures["crashes"].reason
    assert "has no attribute 'Dot'" in failures["lacks"].reason
    assert failures["uncallable"].reason == "dataset dots: it is not callable"
    assert failures["plain"].reason.endswith("it is not a subclass of Options")


def test_a_class_that_cannot_keep_its_contract_is_named_with_the_method_and_the_line(
    site: Path,
) -> None:
    code = PART.replace("import Component,", "import Component, Dataset,")
    module = install(site, "lacking", code.replace("class Dots:", "class Dots(Dataset):"))
    rows = broken()
    assert [row["reason"] for row in rows] == [
        "dataset dots: Dots lacks the property class_names",
        "dataset dots: Dots lacks the method load(self, split)",
    ]
    line = code.splitlines().index("class Dots:") + 1
    assert {row["file"] for row in rows} == {f"{module}:{line}"}


def test_printing_and_slowness_are_told_and_the_components_stay(site: Path) -> None:
    install(site, "prints", "import os\nos.write(1, b'hello')\n" + PART)
    install(site, "sleeps", "import time\ntime.sleep(0.4)\n" + PART)
    install(site, "works", PART)
    registry = examination.examine().registry
    assert {failure.owner: failure.reason for failure in registry.failures} == {
        "prints": "it prints something when it is imported",
        "sleeps": "it takes 0.4 s to import",
    }
    owners = {entry.owner for entry in registry.of_kind("dataset")}
    assert owners == {"tina-kit", "prints", "sleeps", "works"}


def test_commands_are_asked_for(site: Path) -> None:
    install(site, "fails", PART + COMMAND.replace("@app.command()", "1 / 0"))
    install(site, "hides", PART + COMMAND.replace("def dots", "def list"))
    install(site, "works", PART + COMMAND)
    told = {str(row["owner"]): row for row in broken()}
    assert told.keys() == {"fails", "hides"}
    assert told["fails"]["stage"] == told["hides"]["stage"] == "commands"
    assert "its commands were skipped: ZeroDivisionError" in str(told["fails"]["reason"])
    assert told["hides"]["reason"] == "its command 'list' was rejected: tina-kit already has it"


def test_two_plugins_of_one_distribution_with_one_name_are_told(site: Path) -> None:
    install(site, "one", PART)
    install(site, "two", PART)
    points = site / "one-1.0.dist-info" / "entry_points.txt"
    points.write_text("[tina_kit.plugins]\na = one\nb = two\n")
    (site / "two-1.0.dist-info" / "entry_points.txt").unlink()
    failure = examined()["one"]
    assert failure.entry_point == "b" and "two datasets named one/dots" in failure.reason


def test_doctor_tells_what_is_switched_off(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "Hangs_Here", "import time\ntime.sleep(1000)\n")
    monkeypatch.setenv("TINA_KIT_DISABLE_PLUGINS", "hangs.here")
    assert "TINA_KIT_DISABLE_PLUGINS switches off Hangs_Here of hangs-here" in (
        CliRunner().invoke(app, ["doctor"]).stdout
    )

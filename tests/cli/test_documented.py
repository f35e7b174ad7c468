"""What `tina_kit/cli/README.md` lists is all that there is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.cli.test_inspection import BROKEN, LISTED, OPTION, SHOWN
from tests.documents import COMMANDS, quoted, rows
from tina_kit.cli.app import app
from tina_kit.pipeline.logs import COLUMNS

Keys = dict[str, str]


def documented(heading: str) -> Keys:
    """What the table below a heading says, by key; several keys may share a line."""
    table = rows(COMMANDS, heading)
    return {key: row[-1] for row in table for key in quoted(row[0])}


def commands(group: typer.Typer, prefix: str = "") -> Iterator[str]:
    default = getattr(group.info.cls, "default", None)  # its name may be left out
    for command in group.registered_commands:
        assert command.name or command.callback
        name = command.name or command.callback.__name__
        yield prefix.strip() if name == default else prefix + name
    for below in group.registered_groups:
        assert below.name and below.typer_instance
        callback = below.typer_instance.registered_callback
        if callback is not None and callback.invoke_without_command is True:
            yield below.name
        yield from commands(below.typer_instance, f"{below.name} ")


def test_every_command_is_listed() -> None:
    listed = [re.sub(r" \[?[A-Z]+\]?", "", name) for name in documented("The command line")]
    assert sorted(listed) == sorted(commands(app))


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("list --json", LISTED),
        ("show KIND NAME --json", SHOWN - LISTED),
        ("options", OPTION),
        ("list --broken --json", BROKEN),
    ],
)
def test_every_key_of_json_output_is_listed(command: str, keys: set[str]) -> None:
    assert set(keys) <= set(quoted(documented("JSON output")[command]))


def test_every_key_of_a_run_folder_is_listed(finished: tuple[Path, Path, Path]) -> None:
    folder = finished[2]
    files = {path.name for path in folder.iterdir()}
    assert files <= {name.strip("/") for name in documented("The run folder")}

    record = json.loads((folder / "run.json").read_text())
    listed = documented("`run.json`")
    assert set(record) <= set(listed)
    assert {key for stage in record["stages"] for key in stage} <= set(quoted(listed["stages"]))
    assert set(record["hardware"]) <= set(quoted(listed["hardware"]))

    results = json.loads((folder / "results.json").read_text())
    listed = documented("`results.json`")
    assert set(results) <= set(listed)
    keys = {key for row in results["generators"] for key in row}
    assert keys <= set(quoted(listed["generators"]))


def test_every_event_and_column_is_listed(finished: tuple[Path, Path, Path]) -> None:
    folder, listed = finished[2], documented("`events.jsonl`")
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        kind = event.pop("event")
        assert set(event) - {"time"} <= set(quoted(listed[kind])), kind
    with (folder / "metrics.csv").open(newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS == tuple(documented("`metrics.csv`"))

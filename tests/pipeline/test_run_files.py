"""Damaged files of a run: readers say so in one message, or leave out what they cannot read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.run_folders import make_run
from tina_kit.cli.app import invoke

RIGHT = {
    "generic": {0: {"ood": [50, 60, 70, 80], "id": [50, 60, 70, 80]}},
    "tina": {0: {"ood": [55, 66, 72, 85], "id": [51, 60, 70, 80]}},
}


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        ("run.json", ["git"], "abc"),
        ("run.json", ["hardware"], [[]]),
        ("run.json", ["store"], float("nan")),
        ("run.json", ["ended"], 10**30),
        ("run.json", ["command", 0], []),
        ("run.json", ["seeds"], float("inf")),
        ("run.json", ["data", "classes", 0], float("nan")),
        ("run.json", ["stages", 0, "seconds"], float("inf")),
        ("results.json", ["generators", 1, "split"], [[]]),
        ("results.json", ["generators", 0, "ci95"], True),
        ("results.json", ["generators", 1, "ci95", 1], "x"),
        ("results.json", ["generators", 1, "generator"], None),
        ("results.json", ["generators", 0, "p_acc"], None),
        ("results.json", ["generators"], []),
        ("results.json", [], "text"),
        ("evaluations.json", ["counts", "tina"], [[]]),
        ("evaluations.json", ["counts", "tina", "0", "id", "total", 0, 0], None),
        ("evaluations.json", ["counts", "tina", "0", "ood", "correct", 0, 0], float("inf")),
    ],
)
def test_a_damaged_value_is_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, path: list[Any], value: Any
) -> None:
    other = make_run(tmp_path / "other", RIGHT)
    run = make_run(tmp_path / "runs" / "made", RIGHT)
    content = json.loads((run / file).read_text())
    (run / file).write_text(json.dumps(_with(content, path, value)))
    for words in (
        ["runs", "list", run.parent],
        ["runs", "list", run.parent, "--json"],
        ["runs", "list", run.parent, "--csv"],
        ["runs", "show", run],
        ["runs", "show", run, "--json"],
        ["runs", "compare", run, other],
        ["runs", "compare", other, run, "--json"],
        ["watch", run, "--once"],
    ):
        code = invoke([str(word) for word in words])
        out, told = capsys.readouterr()
        assert code in (0, 2), f"{words}: {told}"
        assert "unexpected" not in told
        assert told.count("error:") == (code == 2)
        if code == 0 and "--json" in words:
            json.loads(out, parse_constant=_refused)


def _with(content: Any, path: list[Any], value: Any) -> Any:
    if not path:
        return value
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return content


def _refused(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")

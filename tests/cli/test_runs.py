"""`tina-kit runs`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import COMMANDS, quoted, rows
from tests.run_folders import make_run
from tina_kit.cli.app import invoke


def right(tina: list[float]) -> dict[str, dict[int, dict[str, list[float]]]]:
    return {
        "classifier-selection": {0: {"ood": [50, 51, 52, 53]}},
        "tina": {0: {"ood": tina}},
        "oracle": {0: {"ood": [90, 90, 91, 90]}},
    }


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two runs below the current folder, as a user would name them."""
    monkeypatch.chdir(tmp_path)
    names = ["runs/made/20261101-120000-aaaaaaaa", "runs/made/20261102-120000-bbbbbbbb"]
    make_run(Path(names[0]), right([60, 61, 63, 62]))
    make_run(Path(names[1]), right([64, 66, 67, 65]), started="2026-11-02T12:00:00+00:00")
    return names


def documented(command: str) -> set[str]:
    return {
        key for row in rows(COMMANDS, "JSON output") if command in row[0] for key in quoted(row[1])
    }


def test_a_list_shows_status_seeds_figures_and_commit(runs, capsys) -> None:
    assert invoke(["runs", "list"]) == 0
    head, _, newest, oldest = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in (newest, oldest)] == runs[::-1]
    assert "done" in newest and "65.5 ±" in newest and "+14.0 ±" in newest and "01234567" in newest
    assert "tags" not in head


def test_a_list_is_also_json_and_csv(runs, capsys) -> None:
    assert invoke(["runs", "tag", runs[0], "paper"]) == 0
    capsys.readouterr()
    assert invoke(["runs", "list", "--json", "--tag", "paper"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row) | set(row["figure"]) <= documented("runs list --json")
    assert invoke(["runs", "list", "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["folder"], row["p_acc"], row["tags"]) for row in table] == [
        (runs[1], "65.5", ""),
        (runs[0], "61.5", "paper"),
    ]


def test_folders_that_cannot_be_read_are_warned_of(runs, capsys) -> None:
    Path(runs[0], "run.json").write_text("{")
    assert invoke(["runs", "list"]) == 0
    shown = capsys.readouterr()
    assert f"warning: {runs[0]}/run.json: cannot be read" in shown.err
    assert runs[0] not in shown.out and runs[1] in shown.out
    assert invoke(["runs", "list", "--status", "failed"]) == 0
    assert "no runs in runs" in capsys.readouterr().err


def test_a_run_is_shown(runs, capsys) -> None:
    assert invoke(["runs", "note", runs[0], "a note"]) == 0
    assert invoke(["runs", "show", runs[0]]) == 0
    text = capsys.readouterr().out
    for told in ("a note", "2026-11-01T12:00:00", "tina-kit run made.yaml", "OOD p-Acc"):
        assert told in text
    assert invoke(["runs", "show", runs[0], "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts) <= documented("runs show --json") | documented("runs list --json")


def test_a_run_that_failed_is_shown_too(runs, capsys) -> None:
    record = json.loads(Path(runs[0], "run.json").read_text())
    failed = {**record, "status": "failed", "error": "the disk is full"}
    Path(runs[0], "run.json").write_text(json.dumps(failed))
    Path(runs[0], "results.json").unlink()
    assert invoke(["runs", "show", runs[0]]) == 0
    assert "the disk is full" in capsys.readouterr().out


def test_runs_are_compared_as_text_json_and_page(runs, capsys) -> None:
    assert invoke(["runs", "compare", *runs, "-o", "compared.html"]) == 0
    shown = capsys.readouterr()
    assert "compared.html: written" in shown.err
    assert "B's tina is better than A's by 4.0 ±" in shown.out
    assert Path("compared.html").read_text().startswith("<!doctype html>")
    assert invoke(["runs", "compare", *runs, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    listed = documented("runs compare --json") | documented("its `pairs`")
    assert set(facts) <= listed and all(set(pair) <= listed for pair in facts["pairs"])
    assert all(set(run) <= listed for run in facts["runs"])
    assert invoke(["runs", "compare", f"{runs[0]}:tina", f"{runs[0]}:oracle"]) == 0
    assert "A's oracle is better" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "RUN"], "give 2 to 26 runs"),
        (["compare", "RUN", "none"], "none: not a run folder"),
        (["compare", "RUN", "RUN:nobody"], "it has no generator 'nobody'"),
        (["compare", "RUN", "RUN", "-o", "page.txt"], "name it FILE.html"),
        (["list", "--json", "--csv"], "give either --json or --csv"),
        (["list", "nowhere"], "there is no such folder"),
        (["show", "runs"], "not a run folder"),
        (["rm", "runs", "--yes"], "not a run folder"),
        (["tag", "RUN", "two words"], "no spaces and no commas"),
        (["export", "RUN", "-o", "none/run.zip"], "none"),
        (["import", "RUN/run.json"], "not an archive of a run"),
    ],
)
def test_a_mistake_is_one_message(runs, capsys, words: list[str], told: str) -> None:
    assert invoke(["runs", *(word.replace("RUN", runs[0]) for word in words)]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_rm_asks(runs, capsys, monkeypatch) -> None:
    for answer in ("n\n", "\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        assert invoke(["runs", "rm", *runs]) == 2
        shown = capsys.readouterr()
        assert shown.out.splitlines() == runs and "nothing was removed" in shown.err
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert invoke(["runs", "rm", runs[0]]) == 0
    assert not Path(runs[0]).exists()
    Path(runs[1], "mine.txt").touch()
    assert invoke(["runs", "rm", runs[1], "--yes"]) == 0
    assert "kept: " in capsys.readouterr().err and Path(runs[1], "mine.txt").exists()


def test_rm_removes_nothing_if_one_of_the_folders_is_no_run(runs) -> None:
    assert invoke(["runs", "rm", *runs, "runs", "--yes"]) == 2
    assert all(Path(run, "run.json").exists() for run in runs)


def test_a_run_goes_elsewhere_with_its_tags(runs, capsys) -> None:
    assert invoke(["runs", "tag", runs[0], "paper", "good"]) == 0
    assert invoke(["runs", "tag", runs[0], "--remove", "good"]) == 0
    assert invoke(["runs", "export", runs[0], "-o", "run.zip"]) == 0
    capsys.readouterr()
    assert invoke(["runs", "import", "run.zip", "-o", "elsewhere"]) == 0
    folder = capsys.readouterr().out.strip()
    assert folder == "elsewhere/made/20261101-120000-aaaaaaaa"
    assert json.loads(Path(folder, "notes.json").read_text()) == {"tags": ["paper"], "note": ""}


def test_none_of_it_imports_torch(runs) -> None:
    script = (
        "import sys\n"
        "from tina_kit.cli.app import invoke\n"
        f"for words in (['list'], ['show', {runs[0]!r}], ['compare', *{runs!r}]):\n"
        "    assert invoke(['runs', *words]) == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

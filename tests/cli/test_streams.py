"""Whatever stdout and stderr lead to: the results are there, and never a traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import Forked
from tina_kit.cli.app import invoke

FULL = "error: stdout cannot be written to: No space left on device\n"
MINIMAL = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
PRINTING = """
import sys
from tina_kit.cli import app, main

def command(_):
    for _ in range(2000):
        print(TEXT)
        print("log", file=sys.stderr)
    return 0

TEXT = sys.argv[1]
app.invoke = command
main([])
"""


@pytest.fixture
def shell(finished: tuple[Path, Path, Path], tmp_path: Path):
    """Run a line of bash. `$RUN` is the finished run of the tests, done again; `$PRINT TEXT`
    prints to stdout and stderr as any command does; `$KIT` is the command line."""
    print_ = tmp_path / "printing.py"
    print_.write_text(PRINTING, encoding="utf-8")
    kit = f"{sys.executable} -m tina_kit"
    words = {
        "KIT": kit,
        "PRINT": f"{sys.executable} {print_}",
        "RUN": f"{kit} run {finished[0]} --output {tmp_path / 'runs'}",
    }

    def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            env={**os.environ, **words, **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    return shell


def status(folder: Path) -> list[str]:
    return [json.loads(path.read_text())["status"] for path in folder.rglob("run.json")]


def test_a_run_prints_its_table_where_the_locale_has_no_letters(shell) -> None:
    done = shell("$RUN 2>/dev/null", **MINIMAL)
    assert done.returncode == 0
    assert re.search(r"classifier-selection +10\.3 \+- 0\.9", done.stdout)
    assert "shuffled prompts" in done.stdout and "chance" in done.stdout


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("ascii", "3 +- 1, 8x8 -> 4x4, >= 0, ... \\u00f6 \\ud83d\\ude00"),
        ("latin1", "3 ± 1, 8×8 -> 4×4, >= 0, ... ö \\ud83d\\ude00"),
        ("utf-8", "3 ± 1, 8×8 → 4×4, ≥ 0, … ö 😀"),
    ],
)
def test_what_an_encoding_lacks_is_spelled(shell, encoding: str, text: str) -> None:
    code = f"$PRINT '3 ± 1, 8×8 → 4×4, ≥ 0, … ö 😀' 2>/dev/null | head -1 | iconv -f {encoding}"
    done = shell(f"{code} -t utf-8", PYTHONIOENCODING=encoding)
    assert done.stdout == f"{text}\n"


def test_the_name_of_a_file_may_be_no_text(shell) -> None:
    done = shell("$PRINT $'\\xff' 2>/dev/null | head -1")
    assert done.stdout == "\\udcff\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("2>/dev/null | true", 0, ""),
        ("2>&1 | true", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full", 1, FULL),
        (">/dev/full 2>&1", 1, ""),
    ],
)
def test_a_closed_or_full_stream_is_one_message_or_none(
    shell, line: str, code: int, told: str, unbuffered: str
) -> None:
    done = shell(f"$PRINT text {line}", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr.replace("log\n", "")) == (code, told)


@pytest.mark.parametrize("words", ["list", "show generator tina-dit", "schema", "doctor --help"])
def test_the_commands_say_so_too(shell, words: str) -> None:
    full = shell(f"$KIT {words} > /dev/full")
    assert (full.returncode, full.stderr) == (1, FULL)


def test_a_table_that_cannot_be_printed_is_in_the_report(shell, tmp_path: Path) -> None:
    done = shell("$RUN >/dev/full")
    assert done.returncode == 1 and done.stderr.endswith(FULL)
    assert status(tmp_path / "runs") == ["done"]
    [report] = (tmp_path / "runs").rglob("report.md")
    assert f"run folder: {report.parent}\n" in done.stderr
    assert "| tina-dit |" in report.read_text()


def test_an_error_is_told_where_stdout_is_closed(shell) -> None:
    done = shell("$KIT run none.yaml >&-")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "none.yaml" in done.stderr


def test_a_locale_without_the_letters_of_a_file_is_told(capsys, monkeypatch) -> None:
    def open_it(*_: object) -> None:
        "runs/größe".encode("ascii")

    monkeypatch.setattr("tina_kit.cli.list.registry", open_it)
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    assert invoke(["list"]) == 1
    told = capsys.readouterr().err
    assert "runs/größe" in told and "Set PYTHONUTF8=1" in told and len(told.splitlines()) == 1


def test_what_is_closed_is_not_taken_by_the_next_file(shell, tmp_path: Path) -> None:
    """Else what a library prints would land in it."""
    script = tmp_path / "opening.py"
    script.write_text(
        "import os\n"
        "from tina_kit.cli import app, main\n"
        "def command(_):\n"
        f"    os.open({str(tmp_path / 'file')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "    os.write(1, b'printed')\n"
        "    return 0\n"
        "app.invoke = command\n"
        "main([])\n"
    )
    assert shell(f"{sys.executable} {script} <&- >&- 2>&-").returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_a_terminal_that_is_gone_ends_no_run(recipe: Path, tmp_path: Path) -> None:
    """`setsid` or `disown`, and then the terminal is closed: every write to it fails. Progress is
    drawn by a thread of its own."""
    import pty

    ours, theirs = pty.openpty()
    words = ["run", str(recipe), "--output", str(tmp_path / "runs")]
    run = Forked(words, outputs=[os.devnull, os.ttyname(theirs)])
    os.read(ours, 1)
    os.close(theirs)
    os.close(ours)
    assert run.wait() == 0
    assert status(tmp_path / "runs") == ["done"]

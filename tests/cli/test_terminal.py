"""No control character of somebody else's reaches the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_plugin_files import PLUGIN
from tina_kit.cli.app import invoke

RAW = "\x1b[2J\x07\x9b31m\r\x08\x7f\u202e"
SHOWN = r"\u001b[2J\u0007\u009b31m\u000d\u0008\u007f\u202e"


def quiet(text: str) -> bool:
    return all(letter.isprintable() or letter in "\n\t" for letter in text)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN.replace('"Zeros."', f'summary="Zeros{ascii(RAW)[1:-1]}"'[8:]))
    return path


@pytest.mark.parametrize(
    "words", [("list", "generator"), ("show", "generator", "mine"), ("list", "--json")]
)
def test_results_are_printable(plugin: Path, words: tuple[str, ...], capsys) -> None:
    assert invoke([*words, "--plugin", str(plugin)]) == 0
    told = capsys.readouterr()
    assert quiet(told.out) and quiet(told.err) and "mine" in told.out
    if "--json" in words:  # an escape sequence of JSON means the same as the character
        assert RAW in [row["summary"].removeprefix("Zeros") for row in json.loads(told.out)]


@pytest.mark.parametrize(
    "words",
    [
        (f"{RAW}",),
        ("list", f"x{RAW}"),
        ("show", "dataset", f"x{RAW}"),
        ("validate", f"x{RAW}.yaml"),
        ("validate", "tiny.yaml", "--profile", f"x{RAW}"),
        ("validate", "tiny.yaml", "--set", f"name=x{RAW}"),
        ("validate", "tiny.yaml", "--set", f"x{RAW}=1"),
        ("validate", "tiny.yaml", "--set", 'name="\\e[2J"'),
        ("run", "tiny.yaml", "--seeds", f"x{RAW}"),
        ("run", "tiny.yaml", "--device", f"x{RAW}"),
        ("generate", f"x{RAW}", "--classes", f"a{RAW}, b", "-o", "p.safetensors"),
        ("generate", ".", "--classes", "a, b", "-o", f"p{RAW}.pt"),
        ("zoo", "show", f"x{RAW}"),
        ("schema", "--plugin", f"x{RAW}.py"),
        ("plugin", "new", f"x{RAW}", "--kind", "dataset"),
    ],
)
def test_messages_are_printable(
    words: tuple[str, ...], recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(recipe.parent)
    assert invoke(list(words)) == 2
    told = capsys.readouterr()
    assert quiet(told.out) and quiet(told.err) and told.err.startswith("error: ")


def test_a_file_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"r\xff\x1b[2J.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "tina_kit", "validate", name], capture_output=True, timeout=60
    )
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert done.stderr.endswith(rb"r\udcff\u001b[2J.yaml" + b"\n")


def test_a_progress_bar_shows_a_label_as_it_is(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from tina_kit.api import StepInfo
    from tina_kit.pipeline.console import console

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    bar = console()
    bar.step(StepInfo(f"fit/[/red]{RAW}", 1, 2))
    bar.run_ended("done")
    told = capsys.readouterr().err
    assert "fit/[/red]" in told and "\x1b[2J" not in told and "\x9b" not in told

"""At any width of a terminal words stay whole and names are not shortened."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from tests.forked import Forked
from tina_kit.cli.app import invoke
from tina_kit.report.table import text_lines

WIDTHS = [60, 100, 200]
COMMANDS = [
    ("list",),
    ("list", "generator"),
    ("show", "generator", "tina-dit", "--all"),
    ("show", "conditioner", "llm-descriptions", "--all"),
    ("recipes",),
    ("run", "STUDY", "--dry-run"),
    ("doctor",),
]


@pytest.fixture
def study(recipe: Path) -> str:
    """A recipe whose stages have long names."""
    variants = "{no classifier augmentation: {generators.tina-dit.augmentations: []}, plain: {}}"
    recipe.write_text(recipe.read_text() + f"studies: [{{use: variants, variants: {variants}}}]\n")
    return str(recipe)


def printed(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], study: str) -> list[str]:
    assert invoke([study if word == "STUDY" else word for word in words]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_is_printed_fits_the_terminal_in_whole_words(
    columns: int, words: tuple[str, ...], study: str, capsys, monkeypatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = " ".join(printed(capsys, words, study)).split()
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = printed(capsys, words, study)
    assert " ".join(lines).split() == whole
    if "in a recipe:" in "".join(lines):  # YAML, which is copied as it is
        lines = lines[: lines.index("in a recipe:")]
    # A path, which is one word, may be too wide for what other columns leave it.
    assert all(len(line) <= columns or "/" in line.split()[-1] for line in lines)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", ["", "run", "list", "show", "generate", "zoo import", "init"])
def test_help_fits_the_terminal_in_whole_words(
    columns: int, command: str, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert invoke([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= columns
    assert "..." not in text.replace("[ARGS]...", "")  # a summary that is cut off
    assert "list[" not in text


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_table_of_results_has_whole_cells(columns: int) -> None:
    header = ("generator", "OOD p-Acc", "ID p-Acc", "vs selection", "gap closed")
    row = ("classifier-selection", "60.4 ± 1.0", "61.2 ± 0.9", "+1.8 ± 2.0", "75% [60, 90]")
    control = ("  gibberish prompts", "10.1 ± 0.4", "", "-50.0 ± 1.1", "")
    lines = text_lines([header, row, control], columns)
    assert max(map(len, lines)) <= columns
    assert all(cell in "\n".join(lines) for cell in (*row, *control))
    stacked = "    OOD p-Acc     10.1 ± 0.4\n    vs selection  -50.0 ± 1.1"
    assert (stacked in "\n".join(lines)) == (columns == 60)


@pytest.mark.parametrize(("variable", "coloured"), [("LANG", True), ("NO_COLOR", False)])
def test_only_a_terminal_gets_colour(
    finished, tmp_path: Path, monkeypatch, variable: str, coloured: bool
) -> None:
    """And none if NO_COLOR is set."""
    monkeypatch.setenv(variable, "C.UTF-8")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    words = ["run", str(finished[0]), "--output", str(tmp_path)]
    shown = on_a_terminal(words)
    assert "\nchance  " in shown.replace("\r", "") and "Interrupted" not in shown
    assert ("\x1b[2m" in shown) == coloured
    assert coloured or "\x1b[" not in shown


def on_a_terminal(words: list[str]) -> str:
    """What a command writes to stdout and stderr, which are a terminal."""
    terminal, other = pty.openpty()
    process = Forked(words, outputs=[os.ttyname(other)] * 2)
    parts = [os.read(terminal, 1 << 16)]
    os.close(other)
    try:
        while part := os.read(terminal, 1 << 16):
            parts.append(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(terminal)
    assert process.wait() == 0
    return b"".join(parts).decode()


def test_what_is_piped_or_saved_has_no_colour_and_whole_lines(study: str, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(capsys, ("list",), study)
    assert any(len(line) > 100 for line in lines) and "\x1b" not in "".join(lines)

"""How messages show names and text of others."""

from __future__ import annotations

import json

import pytest

from tina_kit.api import abridged, printable

RAW = "\x1b[2J\x07\x9b31m\r\x08\x7f\u202e"
SHOWN = r"\u001b[2J\u0007\u009b31m\u000d\u0008\u007f\u202e"


@pytest.mark.parametrize("lines", [False, True])
def test_control_characters_are_written_out(lines: bool) -> None:
    assert printable(RAW, lines) == SHOWN
    assert printable("\udcff\ud800", lines) == r"\udcff\ud800"
    assert json.loads(json.dumps(printable("\x9b", lines))) == r"\u009b"


def test_a_name_stays_on_one_line_and_text_keeps_its_lines() -> None:
    assert printable("a\tb\nc é 日本 \u200c", lines=True) == "a\tb\nc é 日本 \u200c"
    assert printable("a\tb\nc é 日本 \u200c") == "a\\tb\\nc é 日本 \u200c"


def test_many_names_are_abridged() -> None:
    assert abridged(["a\n", "b", "c"], 2) == r"a\n, b, and 1 more"
    assert abridged(["a", "b"], 2) == "a, b"

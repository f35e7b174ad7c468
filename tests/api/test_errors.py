"""Errors of others in messages of one line."""

from __future__ import annotations

import pytest

from tina_kit.api import first_line


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("one", "one"),
        ("one\ntwo", "one"),
        ("\n  one\ntwo", "one"),
        ("", "OSError"),
        (" \n", "OSError"),
    ],
)
def test_the_first_line_of_a_message_or_the_type_of_the_error(message: str, line: str) -> None:
    assert first_line(OSError(message)) == line

"""The reference page says what the code says."""

from __future__ import annotations

from tests.api.reference import PAGE, page


def test_the_page_is_current() -> None:
    told = "it is out of date; run python -m tests.api.reference"
    assert PAGE.read_text(encoding="utf-8") == page(), told

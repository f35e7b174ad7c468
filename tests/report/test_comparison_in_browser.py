"""The page of a comparison, opened in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

import tina_kit
from tests.run_folders import make_run
from tests.zoo.browser import PROGRAM, browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed"),
]


def test_it_fits_a_phone_and_a_screen_and_asks_no_network(tmp_path: Path) -> None:
    rows = [f"a-generator-of-a-long-name-{number}" for number in range(3)]
    names = ("a" * 60, "b" * 60, "c")
    runs = [
        make_run(
            tmp_path / name,
            {row: {0: {"ood": [61 + place, 60, 66, 62]}} for row in rows},
            recipe={"generic": {"epochs": place, "note": "word " * 40}},
        )
        for place, name in enumerate(names)
    ]
    page = tmp_path / "compared.html"
    page.write_text(tina_kit.compare(runs).html())
    with browser(tmp_path / "profile") as tab:
        for width in (390, 1280):
            tab.open(page, width=width)
            assert tab.run("document.documentElement.scrollWidth") <= width
        pdf = tab.call("Page.printToPDF")["data"]
        requests = {url for url in tab.requests if not url.startswith("data:")}
    assert requests == {page.as_uri()}
    assert len(pdf) > 10_000

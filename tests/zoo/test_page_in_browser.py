"""In a browser the exported page answers as the p-Model does, and reaches for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import tina_kit
from tests.zoo.browser import PROGRAM, browser
from tests.zoo.page_models import CLASSES, awkward_model, draw_photos
from tina_kit.zoo.pmodel import PModel

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed"),
    pytest.mark.slow,
    pytest.mark.timeout(60),
]


@pytest.fixture(scope="module")
def model() -> PModel:
    return awkward_model()


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return draw_photos(tmp_path_factory.mktemp("photos"))


def test_in_a_browser_a_chosen_photograph_gets_the_same_answer(
    model, photos, tmp_path: Path
) -> None:
    tina_kit.export(model, tmp_path / "mine.html", format="html")
    turned = Image.open(photos / "0.png")
    exif = turned.getexif()
    exif[0x0112] = 6  # lies on its side
    turned.save(photos.parent / "turned.jpg", quality=95, exif=exif, subsampling=0)
    seen = Image.new("RGBA", (40, 30), (200, 30, 60, 255))
    seen.paste((0, 0, 0, 0), (0, 0, 20, 30))  # transparent
    seen.save(photos.parent / "seen.png")
    with browser(tmp_path / "profile") as tab:
        tab.open(tmp_path / "mine.html", width=390, height=844)
        files = [*photos.iterdir(), photos.parent / "turned.jpg", photos.parent / "seen.png"]
        for path in files:
            found = chosen(tab, path)
            for name, share in zip(CLASSES, model.predict_proba(path)[0].tolist()):
                assert found[name] == pytest.approx(share, abs=1e-4), path
        (tmp_path / "text.png").write_text("no image")
        tab.choose("#choose", tmp_path / "text.png")
        tab.run(ready("status.startsWith('text.png: not an image')"))
        assert tab.run("document.getElementById('result').hidden")
        assert tab.run("document.documentElement.scrollWidth") <= 390
        assert not [url for url in tab.requests if not url.startswith(("file:", "blob:", "data:"))]
        assert tab.run("fetch('https://example.org').then(() => 'reached', () => 'refused')") == (
            "refused"
        )


def test_in_a_browser_it_works_by_keyboard_and_by_dropping(model, photos, tmp_path: Path) -> None:
    tina_kit.export(model, tmp_path / "mine.html", format="html")
    with browser(tmp_path / "profile") as tab:
        tab.open(tmp_path / "mine.html")
        tab.press("Tab", 9)
        assert tab.run("document.activeElement.id") == "choose"
        dropped = (
            "(async () => { const canvas = document.createElement('canvas');"
            "const blob = await new Promise(done => canvas.toBlob(done));"
            "const given = new DataTransfer(); given.items.add(new File([blob], 'a.png'));"
            "dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true})); })()"
        )
        tab.run(dropped)
        tab.run(ready("status.endsWith('%')"))
        visible = "[...document.querySelectorAll('#answers li')].filter(e => !e.hidden).length"
        assert tab.run(visible) == 5
        tab.press("Tab", 9)
        assert tab.run("document.activeElement.id") == "more"
        tab.press("Enter", 13, "\r")
        assert tab.run(visible) == 7


def chosen(tab, path: Path) -> dict[str, float]:  # type: ignore[no-untyped-def]
    tab.run("document.getElementById('status').textContent = ''")
    tab.choose("#choose", path)
    tab.run(ready("status.endsWith('%')"))
    rows = tab.run(
        "[...document.querySelectorAll('#answers li')].map("
        "e => [e.querySelector('span').textContent, +e.querySelector('data').value])"
    )
    return dict(rows)


def ready(condition: str) -> str:
    """A script that waits for a condition of the text `status`, ten seconds at most."""
    return (
        "(async () => { for (let i = 0; i < 1000; i++) {"
        "const status = document.getElementById('status').textContent;"
        f"if ({condition}) return; await new Promise(r => setTimeout(r, 10)); }}"
        "throw new Error(document.getElementById('status').textContent); })()"
    )

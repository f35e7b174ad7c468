"""The page in a real browser: names are typed, a classifier is made, photographs are classified."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.service.conftest import picture
from tests.service.process import Running, service
from tests.zoo.browser import PROGRAM, browser
from tina_kit.service import page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
KEY = "0123456789abcdef0123"
in_a_browser = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")
CHIPS = (
    "[...document.querySelectorAll('#names li')].map(e => "
    "[e.firstChild.textContent, e.querySelector('.tag')?.textContent])"
)
ANSWERS = (
    "[...document.querySelectorAll('#photos li .answers')].map(e => "
    "[...e.querySelectorAll('li')].map("
    "i => [i.querySelector('span').textContent, +i.querySelector('data').value]))"
)


@pytest.fixture(scope="module")
def running(bundle) -> Iterator[Running]:
    with service(bundle) as running:
        yield running


@pytest.fixture
def tab(running, tmp_path: Path):  # type: ignore[no-untyped-def]
    with browser(tmp_path / "profile") as tab:
        tab.open(running.address, width=390, height=844)
        until(tab, "document.getElementById('about').textContent.includes('100 classes')")
        yield tab


def until(tab, condition: str) -> None:  # type: ignore[no-untyped-def]
    tab.run(
        "(async () => { for (let i = 0; i < 6000; i++) {"
        f"if ({condition}) return; await new Promise(r => setTimeout(r, 10)); }}"
        "throw new Error(document.body.innerText); })()"
    )


def write(tab, text: str) -> None:  # type: ignore[no-untyped-def]
    tab.call("Input.insertText", text=text)


def enter(tab) -> None:  # type: ignore[no-untyped-def]
    tab.press("Enter", 13, "\r")


def chips(tab) -> list[list[str]]:  # type: ignore[no-untyped-def]
    until(tab, f"{CHIPS}.every(([, tag]) => tag)")
    return tab.run(CHIPS)  # type: ignore[no-any-return]


@in_a_browser
def test_names_make_a_classifier_that_answers_photographs(
    tab, running, generator, tmp_path: Path
) -> None:
    tab.run("document.getElementById('name').focus()")
    write(tab, "blue st")
    tab.press("ArrowDown", 40)
    offered = tab.run("document.querySelector('#offers [aria-selected=true]').textContent")
    assert offered == "blue star"
    assert tab.run("document.getElementById('name').getAttribute('aria-activedescendant')")
    enter(tab)
    write(tab, 'Red_Circle, "salt, pepper",')
    write(tab, "circle of red")  # which is part of no known name, so that nothing is offered
    until(tab, "document.getElementById('hint').textContent.includes('circle of red: near')")
    enter(tab)
    assert chips(tab) == [
        ["blue star", "known"],
        ["Red_Circle", "known"],
        ["salt, pepper", "strange"],
        ["circle of red", "near"],
    ]
    for name in ("circle of red", "salt, pepper"):
        tab.run(f"document.querySelector('#names [aria-label=\"Remove {name}\"]').click()")
    enter(tab)  # in the empty field: makes it
    until(tab, "/^Made in \\d+ ms$/.test(document.getElementById('status').textContent)")
    path = tmp_path / "photo.png"
    path.write_bytes(picture(50, 60, "blue"))
    tab.choose("#choose", path)
    until(tab, f"{ANSWERS}.length === 1 && {ANSWERS}[0].length === 2")
    model = generator.generate(["blue star", "Red_Circle"])
    assert tab.run(ANSWERS) == [[list(each) for each in model.topk([str(path)], 2)[0]]]
    tab.run("document.getElementById('compare').click()")
    until(tab, "document.querySelectorAll('#photos h3').length === 2")
    (tmp_path / "text.png").write_text("no image")
    tab.choose("#choose", tmp_path / "text.png")
    until(tab, "document.querySelector('#photos .wrong')?.textContent.includes('cannot be read')")
    assert tab.run("document.documentElement.scrollWidth") <= 390
    own = (running.address, "blob:", "data:")
    assert not [url for url in tab.requests if not url.startswith(own)]


@in_a_browser
def test_the_downloaded_files_answer_elsewhere(tab, generator, tmp_path: Path) -> None:
    import onnxruntime

    tab.run("document.getElementById('name').focus()")
    write(tab, "red circle, blue star, grey ring")
    enter(tab)
    chips(tab)
    enter(tab)
    until(tab, "document.getElementById('status').textContent.startsWith('Made in')")
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    for form in ("onnx", "html", "safetensors"):
        tab.run(f"document.querySelector('[data-format={form}]').click()")
        until(tab, f"document.getElementById('status').textContent.startsWith('classifier.{form}')")
    files = {form: tmp_path / f"classifier.{form}" for form in ("onnx", "html", "safetensors")}
    deadline = time.monotonic() + 10
    while not all(map(Path.exists, files.values())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    model = generator.generate(["red circle", "blue star", "grey ring"])
    assert files["safetensors"].read_bytes() == model.content()
    images = torch.randint(0, 256, (2, 3, 30, 50), dtype=torch.uint8)
    session = onnxruntime.InferenceSession(files["onnx"].read_bytes())
    [found] = session.run(None, {"images": images.numpy()})
    assert torch.from_numpy(found).allclose(model.as_module()(images).detach(), atol=1e-4)


@in_a_browser
def test_it_works_by_keyboard_and_by_dropping(tab) -> None:
    tab.press("Tab", 9)
    assert tab.run("document.activeElement.id") == "name"
    write(tab, "red circle, blue star")
    enter(tab)
    chips(tab)
    order = []
    for _ in range(4):
        tab.press("Tab", 9)
        order.append(
            tab.run(
                "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
            )
        )
    assert order == ["add", "Remove red circle", "Remove blue star", "make"]
    tab.run("document.getElementById('make').focus()")
    enter(tab)
    until(tab, "document.getElementById('status').textContent.startsWith('Made in')")
    dropped = (
        "(async () => { const canvas = document.createElement('canvas');"
        "const blob = await new Promise(done => canvas.toBlob(done));"
        "const given = new DataTransfer(); given.items.add(new File([blob], 'a.png'));"
        "dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true})); })()"
    )
    tab.run(dropped)
    until(tab, f"{ANSWERS}.length === 1 && {ANSWERS}[0].length === 2")
    tab.run("document.querySelector('#names [aria-label=\"Remove red circle\"]').focus()")
    enter(tab)
    assert tab.run("document.getElementById('made').hidden")
    assert tab.run("document.getElementById('make').disabled")


@in_a_browser
def test_a_key_is_asked_for_where_one_is_needed(bundle, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEY)
    words = ("--key-file", str(tmp_path / "keys"))
    with service(bundle, *words) as running, browser(tmp_path / "profile") as tab:
        tab.open(running.address)
        until(tab, "!document.getElementById('unlock').hidden")
        tab.run("document.getElementById('key').focus()")
        write(tab, KEY)
        enter(tab)
        until(tab, "document.getElementById('about').textContent.includes('100 classes')")
        assert tab.run("document.getElementById('unlock').hidden")


def test_every_control_has_a_name_and_the_policy_allows_the_pages_own_script_alone() -> None:
    text = page.CONTENT.decode()
    policy = page.HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy and policy.startswith("default-src 'none'")
    assert "http" not in policy and "{{" not in text
    for each in ("name", "generator", "key", "compare", "choose", "photograph"):
        assert f'for="{each}"' in text and f'id="{each}"' in text
    assert text.count("<script>") == text.count("<style>") == 1 and "onclick" not in text

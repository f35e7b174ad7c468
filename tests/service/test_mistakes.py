"""Whatever is sent gets a problem as JSON, and the service lives on."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.service.conftest import is_problem, picture
from tina_kit.service import exporter
from tina_kit.service.exports import Exports, _answered
from tina_kit.service.limits import Limits

JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}
FEW = Limits(
    classes=5, name=20, text_bytes=2000, image_bytes=50_000, images=2, pixels=20_000, queue=4
)


@pytest.fixture(scope="module")
def model(generator):  # type: ignore[no-untyped-def]
    return {"classes": ["red circle", "blue star"]}


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, ()),
        (b"{", 422, ("JSON",)),
        (b"[" * 1500, 400, ()),
        (b"\xff\xfe", 422, ()),
        (b"[]", 422, ()),
        (b'{"classes": "dog, cat"}', 422, ("classes", "list")),
        (b'{"classes": ["dog"]}', 422, ("classes", "at least 2")),
        (b'{"classes": ["dog", 3]}', 422, ("classes.1", "string")),
        (b'{"classes": ["dog", "cat"], "colour": 1}', 422, ("colour",)),
        (b'{"classes": ["dog", "cat"], "format": "exe"}', 422, ("format", "onnx")),
        (b'{"classes": ["dog", "DOG"]}', 422, ("are the same class name",)),
        (b'{"classes": ["dog", " "]}', 422, ("is an empty name",)),
        (b'{"classes": ["dog", "a\\u0000b"]}', 422, ("control characters",)),
        (b'{"classes": ["dog", "a\\ud800"]}', 422, ("is not UTF-8",)),
        (b'{"classes": ["dog", "<->"]}', 422, ("stands for an absent class",)),
        (b'{"classes": ["dog", "' + b"x" * 30 + b'"]}', 422, ("name 2 is too long",)),
        (b'{"classes": ["1", "2", "3", "4", "5", "6"]}', 422, ("6 classes are too many",)),
        (b'{"classes": ["dog", "cat"], "x": "' + b"y" * 3000 + b'"}', 413, ("2,000 bytes",)),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(serving, content, status, words) -> None:
    with serving(FEW) as client:
        answer = client.post("/v1/models", content=content, headers=JSON)
        assert is_problem(answer, status, *words)
        assert client.get("/health").json()["status"] == "ok"


def test_five_thousand_classes_are_refused(client) -> None:
    names = [f"class {number}" for number in range(5000)]
    assert is_problem(client.post("/v1/models", json={"classes": names}), 422, "at most 200")
    assert is_problem(client.post("/v1/lookup", json={"names": names}), 422, "at most 200")


def test_a_body_without_a_length_is_cut_off(serving) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 1000:
            sent += 1
            yield b" " * 1000

    with serving(FEW) as client:
        answer = client.post("/v1/models", content=endless(), headers=JSON)
        assert is_problem(answer, 413, "at most 2,000 bytes")
        assert answer.headers["connection"] == "close"


def test_wrong_places_are_told(client, model) -> None:
    assert is_problem(client.get("/nothing"), 404)
    assert is_problem(client.put("/v1/models"), 405)
    assert is_problem(client.get("/v1/models/..%2f..%2fetc"), 404)
    assert is_problem(client.get("/v1/models/abc"), 422, "id")
    assert is_problem(client.get(f"/v1/models/{'0' * 32}"), 404, "make it again")
    assert is_problem(client.get("/v1/classes?generator=nobody"), 422, "one of: tina-dit")


def test_what_is_no_image_is_refused(serving, model) -> None:
    with serving(FEW) as client:
        number = client.post("/v1/models", json=model).json()["id"]
        place = f"/v1/models/{number}/predict"

        def sent(content: bytes, **headers: str):  # type: ignore[no-untyped-def]
            return client.post(place, content=content, headers=headers or PNG)

        assert is_problem(sent(b""), 422, "send an image")
        assert is_problem(sent(b"no image"), 422, "cannot be read")
        assert is_problem(sent(picture()[:-30]), 422, "cannot be read")
        assert is_problem(sent(b"%PDF-1.4"), 422, "it is a PDF document")
        assert is_problem(sent(picture(200, 200)), 422, "too many pixels (200 × 200)")
        assert is_problem(sent(bomb(9000, 9000)), 422, "too many pixels (9,000 × 9,000)")
        assert is_problem(sent(bomb(60_000, 60_000)), 422, "cannot be read", "exceeds limit")
        assert is_problem(sent(b"x" * 60_000), 413, "50,000 bytes")
        assert is_problem(sent(b"{}", **JSON), 415, "send an image")
        files = [("image", ("a.png", picture(90, 90))) for _ in range(3)]
        assert is_problem(client.post(place, files=files), 400, "Too many files")
        files = [("image", ("a.png", picture(100, 120))) for _ in range(2)]
        assert is_problem(client.post(place, files=files), 422, "too many pixels")
        assert is_problem(client.post(place, data={"image": "text"}), 415)
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        assert is_problem(client.post(place, content=b"--x", headers=form), 422, "no files")
        assert is_problem(client.post(place, content=b"nonsense", headers=form), 400)
        form = {"Content-Type": "multipart/form-data"}
        assert is_problem(client.post(place, content=b"--x", headers=form), 400)
        assert is_problem(client.post(f"{place}?top=0", content=picture(), headers=PNG), 422, "top")
        assert sent(picture()).status_code == 200


def test_a_full_queue_says_when_to_come_again(serving, generator, monkeypatch) -> None:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    go, begun = threading.Event(), threading.Event()
    answers = generator.answers

    def slow(lists):  # type: ignore[no-untyped-def]
        begun.set()
        go.wait(20)
        return answers(lists)

    monkeypatch.setattr(generator, "answers", slow)
    with serving(FEW) as client, ThreadPoolExecutor(12) as pool:

        def ask(number: int):  # type: ignore[no-untyped-def]
            return client.post("/v1/models", json={"classes": ["red circle", f"dog {number}"]})

        first = pool.submit(ask, 0)
        begun.wait(10)
        rest = [pool.submit(ask, number) for number in range(1, 11)]
        while sum(each.done() for each in rest) < 6:
            assert not first.done()
        refused = [each.result() for each in rest if each.done()]
        assert client.get("/health").status_code == 200  # while a batch is being generated
        go.set()
        assert first.result().status_code == 200
        assert sorted(each.result().status_code for each in rest) == [200] * 4 + [429] * 6
    for each in refused:
        assert is_problem(each, 429, "too many requests are waiting")
        assert int(each.headers["retry-after"]) >= 1


def test_an_unexpected_error_is_a_problem_and_not_the_end(serving, generator, monkeypatch) -> None:
    def broken(lists):  # type: ignore[no-untyped-def]
        raise RuntimeError("secret")

    with serving() as client:
        with monkeypatch.context() as patch:
            patch.setattr(generator, "answers", broken)
            answer = client.post("/v1/models", json={"classes": ["red circle", "blue star"]})
            assert is_problem(answer, 500, "log says more") and "secret" not in answer.text
        answer = client.post("/v1/models", json={"classes": ["red circle", "blue star"]})
        assert answer.status_code == 200
        [failure] = [each for each in client.logged() if each["event"] == "failed"]
    assert failure["error"] == "RuntimeError" and "secret" not in str(failure)
    assert failure["route"] == "/v1/models" and failure["raised"]


@pytest.mark.slow
def test_an_export_that_takes_too_long_ends(serving, model) -> None:
    with serving(replace(Limits(), export_s=0.2)) as client:
        number = client.post("/v1/models", json=model).json()["id"]
        for _ in range(2):
            answer = client.get(f"/v1/models/{number}/file?format=onnx")
            assert is_problem(answer, 500, "took too long")
        assert client.get(f"/v1/models/{number}/file").status_code == 200


@pytest.mark.parametrize(
    ("charset", "name"), [("utf-7", b"+2AA-"), ("unicode_escape", b"\\ud800"), ("none", b"\xff")]
)
def test_a_file_name_that_is_no_text_is_shown_as_far_as_it_goes(
    client, model, charset, name
) -> None:
    number = client.post("/v1/models", json=model).json()["id"]
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="%s.png"\r\n\r\n' % name
    answer = client.post(
        f"/v1/models/{number}/predict",
        content=head + picture() + b"\r\n--x--\r\n",
        headers={"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"},
    )
    assert answer.status_code == 200 and answer.json()["images"][0]["image"].endswith(".png")


def test_a_small_file_of_many_grey_levels_takes_little_memory() -> None:
    """A 16-bit image is converted in parts, not as a whole in float64."""
    import tracemalloc

    from PIL import Image

    from tina_kit.service.images import pixels_of

    file = io.BytesIO()
    Image.new("I;16", (2000, 2000), 30_000).save(file, "PNG")
    pixels_of([("warm", file.getvalue())], (8, 8), 10**7)
    tracemalloc.start()
    try:
        read = pixels_of([("grey", file.getvalue())], (8, 8), 10**7)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read.unique().tolist() == [117] and peak < 2000 * 2000 * 8


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_what_is_not_sent_as_json_is_told_so(client, model, kind) -> None:
    content = json.dumps(model).encode()
    answer = client.post("/v1/models", content=content, headers={"Content-Type": kind})
    assert is_problem(answer, 415, "Content-Type: application/json")


def test_bodies_together_are_bounded(serving, model) -> None:
    """Whatever is refused no longer counts."""
    with serving(replace(Limits(), bodies=40_000)) as client:
        number = client.post("/v1/models", json=model).json()["id"]
        place = f"/v1/models/{number}/predict"
        for _ in range(3):
            large = client.post(place, content=b"x" * 50_000, headers=PNG)
            assert is_problem(large, 429, "try again") and large.headers["retry-after"] == "1"
            assert client.post(place, content=picture(), headers=PNG).status_code == 200


def test_an_export_that_several_ask_for_is_made_once(serving, model, monkeypatch) -> None:
    asked = []

    async def export(self, content: bytes, form: str) -> bytes:  # type: ignore[no-untyped-def]
        asked.append(form)
        await asyncio.sleep(0.3)
        return b"made"

    monkeypatch.setattr(Exports, "export", export)
    with serving() as client, ThreadPoolExecutor(4) as pool:
        number = client.post("/v1/models", json=model).json()["id"]
        place = f"/v1/models/{number}/file?format=onnx"
        answers = list(pool.map(lambda _: client.get(place), range(4)))
    assert {each.content for each in answers} == {b"made"} and asked == ["onnx"]


def test_a_full_disk_is_told_and_logged(serving, model, monkeypatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(exporter, "TemporaryDirectory", full)
    out = io.BytesIO()
    exporter.answer(out, b"", "html")
    head, told = out.getvalue().split(b"\n", 1)

    async def exchange(self, content: bytes, form: str) -> bytes:  # type: ignore[no-untyped-def]
        reader = asyncio.StreamReader()
        reader.feed_data(head + b"\n" + told)
        return await _answered(reader, form)

    monkeypatch.setattr(Exports, "_exchange", exchange)
    with serving() as client:
        number = client.post("/v1/models", json=model).json()["id"]
        answer = client.get(f"/v1/models/{number}/file?format=html")
        assert is_problem(answer, 500, "exporting as html failed: No space left on device")
        [failure] = [each for each in client.logged() if each["event"] == "failed"]
        assert failure["error"] == "TinaKitError" and failure["raised"]


def test_what_cannot_be_finished_when_it_ends_is_told(serving, monkeypatch) -> None:
    from tina_kit.service.service import Service

    async def ended(self, *asked):  # type: ignore[no-untyped-def]
        raise asyncio.CancelledError

    monkeypatch.setattr(Service, "make", ended)
    with serving() as client:
        answer = client.post("/v1/models", json={"classes": ["red circle", "blue star"]})
        assert is_problem(answer, 503, "is stopping")
        assert [each["event"] for each in client.logged()] == ["request"]

"""A service in this process, on the tiny run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

import tina_kit
from tina_kit.service.limits import Limits
from tina_kit.service.logs import Log
from tina_kit.service.serving import app_of

HERE = "http://127.0.0.1"


@pytest.fixture(scope="session")
def generator(bundle):  # type: ignore[no-untyped-def]
    return tina_kit.load_generator(bundle)


@pytest.fixture
def serving(generator) -> Callable[..., Any]:  # type: ignore[no-untyped-def]
    """`with serving(limits) as client`; `client.logged` is the log so far."""

    @contextmanager
    def start(limits: Limits | None = None, names: bool = False, **more: Any) -> Iterator[Any]:
        stream = io.StringIO()
        app = app_of([generator], limits, Log(names, stream), **more)
        with TestClient(app, base_url=HERE) as client:
            client.logged = lambda: [  # type: ignore[attr-defined]
                json.loads(line) for line in stream.getvalue().splitlines()
            ]
            yield client

    return start


@pytest.fixture
def client(serving) -> Iterator[Any]:  # type: ignore[no-untyped-def]
    with serving() as client:
        yield client


def picture(width: int = 40, height: int = 30, colour: str = "red", form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, form)
    return file.getvalue()


def is_problem(response: Any, status: int, *words: str) -> bool:
    """Whether an answer is a problem of this status whose text has these words."""
    body = response.json()
    assert response.status_code == status == body["status"], response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail"}
    assert [word for word in words if word not in body["detail"]] == [], body["detail"]
    return True

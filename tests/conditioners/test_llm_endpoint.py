"""An endpoint need not be trusted: what it gets, how long it may take and what it may say."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tina_conditioners.http_post import LARGEST
from tina_conditioners.options import LlmDescriptionsOptions

from tests.conditioners.language_model import KEY, Endpoint, answers, made
from tina_kit.api import TinaKitError, UserError
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe

OK = b"HTTP/1.1 200 OK\r\n"


def send(data: bytes, pause: float = 0.0, times: int = 1) -> Any:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(times):
            handler.wfile.write(data)
            time.sleep(pause)

    return answer


# What it gets.


@pytest.mark.parametrize(
    "variable",
    [
        *("AWS_SECRET_ACCESS_KEY", "HOME", "PATH", "GITHUB_TOKEN", "_API_KEY", "API_KEY", ""),
        *("OPENAI_API_KEY\n", "MY API_KEY", "OPENAI_API_KEY_FILE", "openai_api_keys"),
    ],
)
def test_only_a_variable_that_is_named_as_a_key_is_read(variable: str) -> None:
    with pytest.raises(ValidationError, match="key_variable"):
        LlmDescriptionsOptions(key_variable=variable)


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "MISTRAL_API_KEY", "MY_2ND_API_KEY", None])
def test_a_key_may_be_another_providers(variable: str | None) -> None:
    assert LlmDescriptionsOptions(key_variable=variable).key_variable == variable


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/v1",
        "http://localhost.example.org/v1",
        "http://127.0.0.1.example.org/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0/v1",
        "http://127.0.0.1@example.org/v1",
        "https://user:password@example.org/v1",
        "https://example.org/v1?api_key=abc",
        "https://example.org/v1#part",
        "http://127.0.0.1\\@example.org/v1",
        "http://127.0.0.1:99999/v1",
        "https://",
        "https://exa mple.org",
        "https://example.org/\x1b[2J",
        "ftp://example.org",
        "file:///etc/passwd",
    ],
)
def test_a_key_goes_over_https_or_to_this_machine_only(address: str) -> None:
    with pytest.raises(ValidationError, match="endpoint"):
        LlmDescriptionsOptions(endpoint=address)


@pytest.mark.parametrize(
    "address",
    ["https://example.org/v1", "http://localhost:8000/v1", "http://127.0.0.2/v1", "http://[::1]:1"],
)
def test_https_and_this_machine_are_taken(address: str) -> None:
    assert LlmDescriptionsOptions(endpoint=address).endpoint == address
    assert LlmDescriptionsOptions(endpoint="http://example.org", key_variable=None)


def test_a_recipe_that_asks_for_another_variable_is_refused_with_its_line(recipe: Path) -> None:
    part = "{use: llm-descriptions, key_variable: AWS_SECRET_ACCESS_KEY, text: hashed-ngrams}"
    recipe.write_text(recipe.read_text().replace("{use: hashed-ngrams}", part))
    with pytest.raises(UserError, match=r"tiny\.yaml:5:\d+: conditioner\.key_variable: .*API_KEY"):
        load_recipe(recipe, discover())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    endpoint: Endpoint,
    status: int,
) -> None:
    elsewhere = endpoint.url.replace("127.0.0.1", "localhost")
    location = f"HTTP/1.1 {status} Gone\r\nLocation: {elsewhere}/chat/completions\r\n\r\n"
    endpoint.script = [send(location.encode())]
    with pytest.raises(UserError, match=rf"redirects elsewhere \(status {status}\)"):
        made(endpoint).embed(["apple"])
    assert len(endpoint.requests) == 1


def test_no_proxy_sees_a_key_for_this_machine(
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    made(endpoint, retries=0).embed(["apple"])
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "key", ["one\ntwo-secret", "secret key", "s\x1b[2Jecret", "s\u2026cret", "s\udc80cret"]
)
def test_what_cannot_be_a_key_is_refused_unseen(
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match="OPENAI_API_KEY does not contain a valid key") as told:
        made(endpoint).embed(["apple"])
    assert "ecret" not in str(told.value) and not endpoint.requests


@pytest.mark.parametrize(
    "answer",
    [
        send(f"HTTP/9 {KEY}\r\n\r\n".encode()),
        send(f"{KEY}\x1b[2J\r\n\r\n".encode()),
        send(f"HTTP/1.1 500 {KEY}\r\n\r\n{KEY}".encode()),
        send(f"HTTP/1.1 401 {KEY}\r\n\r\n{KEY}".encode()),
        send(f"HTTP/1.1 302 {KEY}\r\nLocation: http://x/{KEY}\r\n\r\n".encode()),
        send(OK + f"Content-Length: {KEY}\r\n\r\n".encode()),
        send(OK + b"Transfer-Encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n"),
        f"The key is {KEY}.",
        KEY.encode(),
    ],
)
def test_a_server_that_repeats_the_key_gets_it_neither_shown_nor_kept(
    endpoint: Endpoint,
    answer: Any,
) -> None:
    endpoint.script = [answer]
    with pytest.raises(TinaKitError) as told:
        made(endpoint, retries=0).embed(["apple"])
    assert KEY not in str(told.value) and "\x1b" not in str(told.value) and not answers()


# How long it may take, and how much it may send.


@pytest.mark.parametrize(
    "answer",
    [
        send(b"", 3.0),
        send(b"x", 0.02, 150),
        send(b"HTTP/1.1 100 Continue\r\n\r\n", 0.001, 3000),
        send(OK + b"\r\n" + b" " * 10, 0.02, 150),
        send(OK + b"A: b\r\n", 0.02, 150),
    ],
    ids=["silent", "status line", "continue", "body", "headers"],
)
def test_a_dripping_answer_ends_at_the_deadline(
    endpoint: Endpoint,
    answer: Any,
) -> None:
    endpoint.script = [answer]
    start, before = time.monotonic(), threading.active_count()
    with pytest.raises(TinaKitError, match="timed out"):
        made(endpoint, retries=0, timeout=0.4).embed(["apple"])
    assert time.monotonic() - start < 5  # the deadline is 0.4 s; the machine may be busy
    end = time.monotonic() + 2
    while threading.active_count() > before + 1 and time.monotonic() < end:
        time.sleep(0.01)  # the server's own thread may still be at it
    assert threading.active_count() <= before + 1


def test_an_endless_answer_is_cut_off(endpoint: Endpoint) -> None:
    endpoint.script = [send(OK + b"\r\n" + b"x" * 65536, 0.0, 10_000)]
    with pytest.raises(TinaKitError, match="the answer exceeds 1 MiB"):
        made(endpoint, retries=0, timeout=20.0).embed(["apple"])


def test_an_answer_of_brackets_is_not_json(endpoint: Endpoint) -> None:
    endpoint.script = [b"[" * LARGEST]
    with pytest.raises(TinaKitError, match="is not JSON"):
        made(endpoint, retries=0).embed(["apple"])


# What it may say.


@pytest.mark.parametrize("letter", ["\x1b", "\x00", "\x07", "\x7f", "\x9b", "\ud800"])
def test_control_characters_are_refused_and_not_kept(
    endpoint: Endpoint,
    letter: str,
) -> None:
    endpoint.script = [f"A{letter}round fruit.", "A round fruit."]
    made(endpoint).embed(["apple"])
    assert len(endpoint.requests) == 2
    assert "control characters" in endpoint.requests[1][1]["messages"][-1]["content"]
    assert "A round fruit." in answers()[0].read_text()


@pytest.mark.parametrize("option", ["timeout", "backoff", "retries"])
def test_no_option_waits_for_ever(option: str) -> None:
    with pytest.raises(ValidationError, match=option):
        LlmDescriptionsOptions(**{option: 10**12})

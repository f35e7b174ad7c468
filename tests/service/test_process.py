"""`tina-kit serve` as it is run: its address, slow clients, signals."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import tina_kit
from tests.service.process import Running, service
from tina_kit import cli
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.service import serving
from tina_kit.service.limits import Limits


def ask(address: str, place: str, body: object = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + place, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.read()


def test_a_port_in_use_is_one_message(bundle, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert invoke(["serve", str(bundle), "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"error: --port {port}: 127.0.0.1: Address already in use; choose another" in told
    assert "Traceback" not in told


def test_what_cannot_be_served_is_one_message(finished, bundle, tmp_path: Path, capsys) -> None:
    run = str(finished[2])
    for words, told in (
        ([run, "--generator", "oracle"], "oracle answers only the run's own tasks"),
        ([run, "--generator", "nobody"], "unknown generator 'nobody'"),
        ([str(tmp_path / "none")], "none"),
        ([str(bundle), "--host", "0.0.0.0"], "a file of keys (--key-file)"),
        ([str(bundle), "--key-file", str(tmp_path / "none")], "there is no such file"),
    ):
        assert invoke(["serve", *words, "--port", "0"]) == 2
        assert told in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(bundle, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for name in [name for name in sys.modules if name.startswith("tina_kit.service")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(tina_kit, "service", raising=False)
    with pytest.raises(UserError, match=r"pip install 'tina-kit\[serve\]'"):
        tina_kit.serve(bundle)


@pytest.mark.slow
def test_it_answers_and_ends_by_sigterm_with_what_it_has(bundle, generator) -> None:
    with service(bundle) as running, ThreadPoolExecutor(8) as pool:
        assert ask(running.address, "/health")[0] == 200
        names = generator.source.class_names
        body = [
            {"classes": list(names[number : number + 10]), "format": "safetensors"}
            for number in range(40)
        ]
        answers = [pool.submit(ask, running.address, "/v1/models", each) for each in body]
        while not any(each.done() for each in answers):
            time.sleep(0.001)
        begun = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
        assert time.monotonic() - begun < 5
        for each, asked in zip(answers, body):
            # Either it was refused, since no new connection is taken, or it is answered whole.
            if each.exception() is None:
                assert each.result()[1] == generator.generate(asked["classes"]).content()
        assert sum(each.exception() is None for each in answers) >= 1
        text = running.log.read_text()
        assert "Traceback" not in text and "Interrupted" not in text
        assert {each["event"] for each in running.logged} == {"request"}


@pytest.mark.slow
def test_ctrl_c_ends_it_and_sigkill_leaves_nothing_broken(bundle, generator) -> None:
    classes = list(generator.source.class_names[:3])
    asked = {"classes": classes, "format": "safetensors"}
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 0)):
        with service(bundle) as running:
            _, content = ask(running.address, "/v1/models", asked)
            assert content == generator.generate(classes).content()
            running.process.send_signal(number)
            assert running.process.wait(10) == code


def slow(words: list[str]) -> None:
    """The command line; p-Models take a minute."""
    first = ReadyGenerator.answers

    def answers(self: ReadyGenerator, lists: Any) -> Any:
        time.sleep(60)
        return first(self, lists)

    ReadyGenerator.answers = answers  # type: ignore[method-assign]
    cli.main(words)


@pytest.mark.slow
def test_a_bundle_far_larger_than_a_request_ends_in_time_too(bundle) -> None:
    """A batch that is still being generated is not waited for longer than the limit."""
    with service(bundle, main=slow) as running:
        asked = {"classes": ["a", "b"]}
        waits = Thread(target=lambda: _quietly(ask, running.address, "/v1/models", asked))
        waits.start()
        time.sleep(0.5)
        begun = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(12) == 0 and time.monotonic() - begun < 5.5
        waits.join(5)


def _quietly(work: Any, *words: Any) -> None:
    with suppress(OSError):
        work(*words)


@pytest.fixture
def here(generator, monkeypatch):  # type: ignore[no-untyped-def]
    """A service in a thread of this process, with little patience."""
    import asyncio

    from tina_kit.service import running

    limits = replace(Limits(), head_s=0.3, body_s=0.5, answer_s=0.5)
    opened = running.listening("127.0.0.1", 0, [])
    servers: list[Any] = []
    start = running._Server.serve

    async def serve(self, sockets):  # type: ignore[no-untyped-def]
        servers.append(self)
        await start(self, sockets)

    monkeypatch.setattr(running._Server, "serve", serve)
    log = serving.Log(stream=open("/dev/null", "w"))  # noqa: SIM115
    app = serving.app_of([generator], limits, log)
    thread = Thread(target=running.run, args=(app, opened, limits, log))
    thread.start()
    told = Running(None, Path(), opened.getsockname()[1])  # type: ignore[arg-type]
    ask(told.address, "/health")  # so that it has started
    told.server = servers[0]  # type: ignore[attr-defined]
    yield told
    servers[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()
    asyncio.set_event_loop(None)


def sent(running: Running, *parts: bytes) -> bytes:
    """What comes back until the service closes the connection."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while more := connection.recv(1 << 16):
            answer += more
    return answer


def test_who_sends_no_head_is_cut_off(here) -> None:
    begun = time.monotonic()
    assert sent(here) == b""
    assert sent(here, b"POST /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ") == b""
    whole = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert sent(here, whole, b"GET /hea").count(b"200 OK") == 1  # the second of a connection, too
    assert time.monotonic() - begun < 5
    assert ask(here.address, "/health")[0] == 200


def test_who_sends_no_body_is_told_and_cut_off(here) -> None:
    head = b"POST /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    for more in (
        b"Content-Length: 100\r\n\r\n",
        b"Content-Length: 100\r\n\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ):
        answer = sent(here, head + more)
        assert answer.startswith(b"HTTP/1.1 408 ") and b"application/problem+json" in answer
    assert ask(here.address, "/health")[0] == 200


def test_who_goes_away_in_between_is_forgotten(here) -> None:
    head = b"POST /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    for more in (b"", b"Content-Length: 100\r\n\r\n{", b"Content-Length: 38\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", here.port)) as connection:
            connection.sendall(head + more)
            if more.endswith(b"\n"):
                connection.sendall(b'{"classes": ["red circle", "blue st"]}')
    assert ask(here.address, "/health")[0] == 200
    nonsense = sent(here, b"nonsense\r\n\r\n")
    assert nonsense.startswith(b"HTTP/1.1 400") and b"application/problem+json" in nonsense
    long = b"Host: 127.0.0.1\r\nContent-Length: " + b"9" * 5000
    assert not sent(here, b"POST /v1/models HTTP/1.1\r\n" + long + b"\r\n\r\n").startswith(
        b"HTTP/1.1 2"
    )
    assert ask(here.address, "/health")[0] == 200


def test_who_does_not_take_the_answer_is_cut_off(here) -> None:
    """Also once the connection is being closed, which waits for the client otherwise."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", here.port))
        connection.settimeout(10)
        with suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000)
        assert connection.recv(1) and here.server.server_state.connections
        deadline = time.monotonic() + 10
        while here.server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not here.server.server_state.connections
    assert ask(here.address, "/health")[0] == 200


def test_who_takes_the_answer_slowly_is_waited_for() -> None:
    from types import SimpleNamespace
    from unittest.mock import Mock

    from tina_kit.service.running import _Protocol

    protocol = _Protocol.__new__(_Protocol)
    protocol.loop = Mock()
    waiting, aborted = [900, 800, 800], Mock()
    protocol.transport = SimpleNamespace(  # type: ignore[assignment]
        get_write_buffer_size=lambda: waiting.pop(0), abort=aborted
    )
    protocol._await_taking()
    protocol._await_taking(900)
    assert protocol.loop.call_later.call_count == 2 and not aborted.called
    protocol._await_taking(800)
    aborted.assert_called_once_with()

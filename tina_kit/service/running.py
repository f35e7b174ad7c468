"""Runs the service until it is told to end."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import re
import socket
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from tina_kit.api import UserError, read_text
from tina_kit.pipeline import console
from tina_kit.service.limits import Limits
from tina_kit.service.logs import Log, ToLog
from tina_kit.service.problems import answer
from tina_kit.service.service import LAST_S

SHORTEST_KEY = 16
_KEY = re.compile(f"[!-~]{{{SHORTEST_KEY},}}")
_LARGEST_KEYS = 1 << 16  # bytes of a file of keys


def read_keys(path: Path) -> list[str]:
    """The keys in a file, one a line. Warns if all users can read them. Raises UserError if there
    is none, or one is short or could not be sent."""
    keys = [line.strip() for line in read_text(path, _LARGEST_KEYS).splitlines() if line.strip()]
    if not keys:
        raise UserError(f"{path}: it contains no keys; put one on each line")
    if not all(_KEY.fullmatch(key) for key in keys):
        raise UserError(
            f"{path}: each key must have at least {SHORTEST_KEY} printable ASCII characters and no "
            "spaces, for example the output of `openssl rand -hex 32`"
        )
    if path.stat().st_mode & stat.S_IROTH:
        console.log(f"{path}: all users of this machine can read these keys; use chmod o-r")
    return keys


def listening(host: str, port: int, keys: Sequence[str]) -> socket.socket:
    """A socket that listens. Raises UserError if it cannot, and for a host that others reach
    without keys."""
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: no such address ({error})") from None
    family, kind, protocol, _, address = found[0]
    if not keys and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise UserError(
            f"--host {host}: other machines can reach this address, so it needs a file of keys "
            "(--key-file)"
        )
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(1024)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UserError(f"--host {host}: this machine does not have this address") from None
        why = error.strerror or str(error)
        raise UserError(f"--port {port}: {host}: {why}; choose another port") from None
    return opened


def address_of(opened: socket.socket) -> str:
    """As it is typed into a browser."""
    host, port = opened.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(app: FastAPI, opened: socket.socket, limits: Limits, log: Log) -> None:
    """Answer until SIGTERM or Ctrl-C; then finish what is there, for `stop_s` at most."""
    config = uvicorn.Config(
        app,
        http=_Protocol.with_limits(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=max(1, round(limits.head_s)),
        timeout_graceful_shutdown=max(1, int(limits.stop_s - LAST_S)),
    )
    with _to_log(log):
        asyncio.run(_Server(config).serve([opened]))
    if not getattr(app.state, "ended", True):
        # A thread is still in torch; it cannot be waited for, and must not be torn down beneath it.
        log.event("ended", waited=limits.stop_s)
        sys.stdout.flush()
        os._exit(0)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            # They were meant for the service, which has ended; uvicorn would raise them again.
            self._captured_signals.clear()


class _Protocol(H11Protocol):
    """Closes connections whose client does not send a request's head in time, or stops taking the
    answer."""

    limits = Limits()
    _timer: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    @classmethod
    def with_limits(cls, limits: Limits) -> type[_Protocol]:
        return type("_Protocol", (cls,), {"limits": limits})

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that it tells of every byte that waits
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_taking()

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        told = answer(400, "this is not a valid HTTP request", {"Connection": "close"})
        head = h11.Response(status_code=400, headers=told.raw_headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(told.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        if not self._waits():
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.limits.head_s, self._late)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_taking(self, before: int | None = None) -> None:
        """before: bytes that waited when this was asked last; fewer must wait now."""
        waiting = self.transport.get_write_buffer_size()
        if before is not None and waiting >= before:
            self.transport.abort()  # to close it would be to wait for the client still
        else:
            again = self.limits.answer_s
            self._taking = self.loop.call_later(again, self._await_taking, waiting)

    def _taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _late(self) -> None:
        self._timer = None
        if self._waits():
            self.transport.close()


@contextmanager
def _to_log(log: Log) -> Iterator[None]:
    """Whatever libraries log, which would go to stderr as it is."""
    handler = ToLog(log)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def named(generators: Sequence[Any]) -> Mapping[str, Any]:
    """Generators by names of their own: where two have the same, the run's comes before it."""
    names = [each.name for each in generators]
    found: dict[str, Any] = {}
    for each in generators:
        name = each.name if names.count(each.name) == 1 else f"{each.source.name}/{each.name}"
        unused, number = name, 2
        while unused in found:
            unused, number = f"{name} {number}", number + 1
        found[unused] = each
    return found

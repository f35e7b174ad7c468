"""A single HTTP request to an untrusted server."""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
import urllib.request
from contextlib import suppress
from typing import Any

LARGEST = 1 << 20
"""Maximum size of an answer in bytes."""


def post(request: urllib.request.Request, seconds: float, proxies: bool) -> bytes:
    """Send a request and return the whole answer.

    seconds: deadline for the whole answer, whatever the server does.
    proxies: whether to use the proxies from the environment.
    Raises TimeoutError, ValueError for a larger answer, and what urllib raises; a redirect is an
    HTTPError like any status that is not 2xx.
    """
    sockets: list[socket.socket] = []
    handlers: list[Any] = [_Http(sockets), _Https(sockets), _NoRedirect()]
    opener = urllib.request.build_opener(*handlers, *([] if proxies else [_no_proxy()]))
    outcome: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            with opener.open(request, timeout=seconds) as reply:
                outcome.put(reply.read(LARGEST + 1))
        except BaseException as error:
            outcome.put(error)

    # Socket timeouts restart with every byte, and do not limit name resolution.
    threading.Thread(target=work, daemon=True).start()
    try:
        found = outcome.get(timeout=seconds)
    except queue.Empty:
        found = TimeoutError("timed out")
        for each in sockets:  # so that the thread ends
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
    if isinstance(found, BaseException):
        raise found
    if len(found) > LARGEST:
        raise ValueError(f"the answer exceeds {LARGEST >> 20} MiB")
    return found


def _no_proxy() -> urllib.request.ProxyHandler:
    return urllib.request.ProxyHandler({})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirects."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Http(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.kind = _keeping(http.client.HTTPConnection, sockets)

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self.kind, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.kind = _keeping(http.client.HTTPSConnection, sockets)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self.kind, request, context=ssl.create_default_context())


def _keeping(connection: type, sockets: list[socket.socket]) -> Any:
    """A connection class that records its sockets, which http.client hides once it reads."""

    class Connection(connection):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    return Connection

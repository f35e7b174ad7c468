"""Stands before every route: who may ask, how much may be sent and for how long, and the log."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tina_kit.api import TinaKitError
from tina_kit.service.limits import Limits
from tina_kit.service.logs import Log
from tina_kit.service.metrics import Metrics
from tina_kit.service.problems import Busy, Problem, answer
from tina_kit.service.within import within

OPEN = ("/", "/health")
"""What needs no key: the page, which asks for it, and whether the service is there."""
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


@dataclass
class _Course:
    """How a request went. received: bytes of its body; status: 0 until it is answered."""

    begun: float = field(default_factory=time.monotonic)
    received: int = 0
    whole: bool = False
    status: int = 0


class Guard:
    """keys: one of which every request must bring; none if only this machine can ask. With none,
    the request must name this machine, so that no web site can reach the service through a browser
    on it; with keys, no web site has one."""

    def __init__(
        self, app: ASGIApp, limits: Limits, log: Log, metrics: Metrics, keys: Sequence[str]
    ) -> None:
        self._app, self._limits, self._log, self._metrics = app, limits, log, metrics
        self._keys = [key.encode() for key in keys]
        self._held = 0  # bytes of the bodies of all requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        course = _Course()

        async def receiving() -> Message:
            return await self._received(scope, course, receive)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                course.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            try:
                self._check(scope)
                await self._app(scope, receiving, sending)
            except Problem as problem:
                if not course.status:
                    await _send(problem, scope, receiving, sending)
        except asyncio.CancelledError:  # what the service cannot finish when it ends
            if not course.status:
                stops = Problem(503, "the service is stopping; try again later", Connection="close")
                await _send(stops, scope, receiving, sending)
        except (asyncio.TimeoutError, ClientDisconnect, ConnectionError):
            self._log.event("gone", route=_route(scope))
        except Exception as error:
            self._log.failure("failed", error, route=_route(scope))
            if not course.status:
                kit = isinstance(error, TinaKitError)
                told = str(error) if kit else "internal error; the service's log says more"
                await _send(Problem(500, told), scope, receiving, sending)
        finally:
            self._held -= course.received
            self._tell(scope, course)

    def _check(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        if not self._keys:
            self._check_place(headers)
        elif scope["path"] not in OPEN:
            kind, _, given = headers.get("authorization", b"").partition(b" ")
            right = [hmac.compare_digest(given.strip(), key) for key in self._keys]
            if kind.lower() != b"bearer" or not any(right):
                raise Problem(
                    401,
                    "a key is needed: send the header `Authorization: Bearer KEY`",
                    WWW_Authenticate="Bearer",
                    Connection="close",
                )
        length = headers.get("content-length", b"")
        if length.isdigit() and int(length[:20]) > self._most(scope):  # its start is too much, too
            raise self._too_large(scope)

    def _check_place(self, headers: Mapping[str, bytes]) -> None:
        host = headers.get("host", b"").decode("latin-1")
        if not _is_local(host):
            raise Problem(
                403, "this service answers this machine only; address it as localhost or 127.0.0.1"
            )
        origin = headers.get("origin")
        if origin is not None and origin.decode("latin-1") != f"http://{host}":
            raise Problem(403, "requests from other web sites are refused")

    async def _received(self, scope: Scope, course: _Course, receive: Receive) -> Message:
        if course.whole:
            return await receive()  # waits for the client to go away
        left = course.begun + self._limits.body_s - time.monotonic()
        try:
            with within(left):
                message = await receive()
        except asyncio.TimeoutError:
            raise Problem(
                408,
                f"the request's body did not arrive within {self._limits.body_s:g} s",
                Connection="close",
            ) from None
        size = len(message.get("body", b""))
        course.received += size
        self._held += size
        course.whole = not message.get("more_body", False)
        if course.received > self._most(scope):
            raise self._too_large(scope)
        if self._held > self._limits.bodies:
            raise Busy("too much data is being sent", 1)
        return message

    def _most(self, scope: Scope) -> int:
        """Bytes of a body."""
        images = scope["path"].endswith("/predict")
        return self._limits.image_bytes if images else self._limits.text_bytes

    def _too_large(self, scope: Scope) -> Problem:
        return Problem(
            413, f"the body is too large; at most {self._most(scope):,} bytes", Connection="close"
        )

    def _tell(self, scope: Scope, course: _Course) -> None:
        seconds = time.monotonic() - course.begun
        route, method = _route(scope), scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            method = "other"
        self._metrics.requests.labels(route, method, str(course.status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        client = scope.get("client") or ("",)
        self._log.event(
            "request",
            {"client": client[0], "path": scope["path"][:200]},
            route=route,
            method=method,
            status=course.status,
            ms=round(seconds * 1000, 1),
            received=course.received,
            **scope.get("state", {}).get("told", {}),
        )


async def _send(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    response = answer(problem.status_code, str(problem.detail), problem.headers)
    await response(scope, receive, send)


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine. An address cannot be made to mean another machine,
    as a name can."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _route(scope: Scope) -> str:
    """The route's template, never what a user wrote."""
    return getattr(scope.get("route"), "path", "none")

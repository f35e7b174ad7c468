"""Mistakes as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from tina_kit.api import UserError

MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """detail: what is wrong and what to do, for whoever sent the request."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(status, detail, named)


class Busy(Problem):
    """seconds: after which to ask again."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(
            429,
            f"{what}; try again in a moment",
            Retry_After=str(max(1, round(seconds))),
        )


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    # A message may quote a name that is not UTF-8.
    told = detail.encode(errors="backslashreplace").decode()
    return JSONResponse({**body, "detail": told}, status, dict(headers or {}), MEDIA_TYPE)


def handle(app: FastAPI) -> None:
    """Let every mistake of a user become such an answer; the guard answers for other errors."""

    async def of_exception(request: Request, error: Any) -> JSONResponse:
        return answer(error.status_code, str(error.detail), error.headers)

    async def of_validation(request: Request, error: Any) -> JSONResponse:
        mistakes = error.errors()
        whole = any(each["loc"] == ("body",) for each in mistakes)
        if whole and "json" not in request.headers.get("content-type", "").lower():
            return answer(415, "send JSON, with the header `Content-Type: application/json`")
        return answer(422, described(mistakes))

    async def of_user(request: Request, error: Any) -> JSONResponse:
        return answer(422, str(error))

    app.add_exception_handler(StarletteHTTPException, of_exception)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(UserError, of_user)


def described(errors: Sequence[Mapping[str, Any]], most: int = 5) -> str:
    """Where each mistake is and what it is, without what was sent."""
    lines = []
    for each in errors[:most]:
        # The first step only says in which part of the request: body, query or path.
        where = ".".join(str(step)[:40] for step in each["loc"][1:]) or str(each["loc"][0])
        lines.append(f"{where}: {each['msg']}")
    more = f"; and {len(errors) - most} more" if len(errors) > most else ""
    return "; ".join(lines) + more


OPENAPI = {
    "description": "What is wrong with the request and what to do.",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                },
            },
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "'dog' (name 1) and 'DOG' (name 2) are the same class name. …",
            },
        }
    },
}
"""How the description of the API tells of them."""

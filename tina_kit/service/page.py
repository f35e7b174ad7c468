"""The page at `/`: one document, whose policy allows its own script and style and this service."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

WEB = Path(__file__).parent / "web"


def _text(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE = _text("page.css")
_SCRIPT = "\n".join(_text(name) for name in ("ask.js", "names.js", "page.js"))
CONTENT = _text("page.html").replace("{{style}}", _STYLE).replace("{{script}}", _SCRIPT).encode()
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(_SCRIPT)}",
            f"style-src {_hash(_STYLE)}",
            "img-src blob: data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
}

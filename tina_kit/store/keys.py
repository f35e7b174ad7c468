"""Cache keys: the hash of everything that a result depends on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY_LENGTH = 24  # hex digits; 96 bits make collisions negligible


def content_key(settings: Any) -> str:
    """Hash JSON-like `settings`, independently of the order of mapping keys.

    Raises TypeError or ValueError for values that JSON cannot represent exactly (objects, NaN).
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

"""Keys: the hash of exactly what a result depends on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

KEY_LENGTH = 24  # hex digits, 96 bits: no collision in any store that fits on a disk


def content_key(settings: Any) -> str:
    """Hash JSON-like `settings`, independent of the order of mapping keys.

    Raises TypeError or ValueError for what JSON cannot hold exactly (objects, NaN).
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

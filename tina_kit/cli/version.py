"""`version`: which version this is."""

from __future__ import annotations

import tina_kit


def version() -> None:
    """Print the version."""
    print(f"tina-kit {tina_kit.__version__}")

"""What every component contributes to cache keys and to the records of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Fingerprinted:
    """Base of every component: it declares the files it reads, so that keys contain no paths."""

    def files(self) -> Mapping[str, str | Path]:
        """The files whose content affects results, by names that do not change when the files are
        moved. The core hashes them, and again only if their size or modification time changes."""
        return {}

    def fingerprint(self) -> str:
        """A string that changes whenever results change for a reason other than options and
        files."""
        return ""

    def facts(self) -> Mapping[str, Any]:
        """Facts about the component beyond its options, as JSON values: they are logged and stored
        in `run.json`. Called whenever a run is planned, so it must be cheap."""
        return {}

"""What every kind of component promises for cache keys and records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Fingerprinted:
    """Every component answers for the files it reads, so that cache keys need no paths."""

    def files(self) -> Mapping[str, str | Path]:
        """The files whose content the results depend on, by names that stay the same when the
        whole is moved. The core hashes them, again only when size or date have changed."""
        return {}

    def fingerprint(self) -> str:
        """A string that changes when anything else outside the options changes the results."""
        return ""

    def facts(self) -> Mapping[str, Any]:
        """What a reader of the run should know beyond the options, as JSON: shown in the log and
        kept in `run.json`. Asked for whenever a run is planned, so it must be cheap."""
        return {}

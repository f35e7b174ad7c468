"""Has a store keep the results of a run for as long as its folder exists."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tina_kit.store import Store
from tina_kit.store.names import Names, Result

_LOG = logging.getLogger(__name__)


def keep(root: Path, folder: Path, results: Iterable[Result], title: str) -> None:
    """Name all results that a run uses or will compute. root: of the store; title: the recipe's
    name. Warns if the store cannot be written, as on a disk that is read-only, where all may be
    stored."""
    try:
        Names(root).add("run", folder, results, title, lambda line: _LOG.warning("%s", line))
    except OSError as error:
        _LOG.warning(
            "the store %s cannot note that this run uses it (%s): `tina-kit store gc` by somebody "
            "else may remove its results",
            root,
            error.strerror or error,
        )


def forget(folder: Path, recorded: str | None) -> None:
    """No longer keep them, in the store that is in use and in the one that `run.json` has recorded:
    a run folder stays if it has files that no run writes."""
    for root in {Store.default().root, *([Store.of(recorded).root] if recorded else [])}:
        with suppress(OSError):  # `tina-kit store gc` finds out by itself if the folder is gone
            Names(root).forget("run", folder)

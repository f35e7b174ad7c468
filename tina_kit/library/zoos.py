"""Zoos of p-Models as folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tina_kit.library.installed import discovered
from tina_kit.library.runs import open_run


def export_zoo(run: str | Path, output: str | Path, *, seed: int | None = None) -> None:
    """Write the ID tasks and p-Models of a finished run to a new folder, which a recipe learns from
    with `zoo: FOLDER`. seed: of the run, by default its first. Raises UserError if the folder
    exists or the run has none."""
    from tina_kit.zoo.archive import check_place, write

    check_place(Path(output))
    from tina_kit.pipeline.export import exported_zoo

    write(exported_zoo(open_run(run, "cpu").experiment(seed)), Path(output))


def import_zoo(
    source: str | Path,
    output: str | Path,
    *,
    architecture: str | None = None,
    set: Sequence[str] = (),
) -> None:
    """Write a zoo to a new folder from p-Models that were trained elsewhere.

    source: a zoo's folder, or a folder of PyTorch checkpoints, which needs `architecture`, a
    component's name; set: its options as texts like `widths=[16,32]`. Raises UserError for what
    does not fit. No code in a file is run.
    """
    from tina_kit.zoo.archive import check_place, write

    check_place(Path(output))
    from tina_kit.pipeline.console import log
    from tina_kit.zoo.importing import imported

    write(imported(Path(source), discovered(), architecture, set, log), Path(output))


def describe_zoo(folder: str | Path) -> dict[str, Any]:
    """Tasks, classes, layers, architecture and origin of a zoo, as `zoo show --json` prints
    them."""
    from tina_kit.zoo.archive import read
    from tina_kit.zoo.summary import summary

    return summary(read(Path(folder)))

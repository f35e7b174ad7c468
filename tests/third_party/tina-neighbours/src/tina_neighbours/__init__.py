"""What tina-neighbours brings; nothing here imports torch, pyarrow or typer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tina_kit.api import Component, Observer, RunInfo, hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="generator",
            name="nearest-average",
            target="tina_neighbours.average:NearestAverage",
            options="tina_neighbours.options:NearestAverageOptions",
            summary="Averages the p-Models of the nearest ID tasks, class by class.",
            api=1,
        ),
        Component(
            kind="dataset",
            name="parquet",
            target="tina_neighbours.parquet:ParquetImages",
            options="tina_neighbours.options:ParquetOptions",
            summary="Images and labels of Parquet files, as Hugging Face data sets keep them.",
            needs=("pyarrow (pip install 'tina-neighbours[parquet]')",),
            api=1,
            version=2,
        ),
    ]


@hookimpl
def tina_kit_commands(app: typer.Typer) -> None:
    from tina_neighbours.commands import parquet

    app.command()(parquet)


@hookimpl
def tina_kit_observers(run: RunInfo) -> Iterable[Observer]:
    from tina_neighbours.observer import StageSeconds

    return [StageSeconds(run)]

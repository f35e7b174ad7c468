"""The parts of tina-neighbours; nothing here imports torch or pyarrow."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


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

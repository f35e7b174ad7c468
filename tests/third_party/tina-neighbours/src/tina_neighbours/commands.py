"""`tina-kit parquet`: what to write into a recipe for a Parquet file that one does not know yet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from tina_kit.api import UserError

from tina_neighbours.table import Table


def parquet(
    file: Annotated[Path, typer.Argument(help="A Parquet file.")],
    count: Annotated[
        str | None, typer.Option(help="Count the values of this column, such as labels or splits.")
    ] = None,
) -> None:
    """Show the columns of a Parquet file and their types."""
    table = Table(file)
    if count is None:
        width = max(map(len, table.schema.names))
        for column in table.schema:
            print(f"{column.name.ljust(width)}  {column.type}")
        return
    if lacking := table.lacks([count]):
        raise UserError(f"{file}: {'; '.join(lacking)}")
    for value, times in sorted(Counter(map(str, table.values(count))).items()):
        print(f"{times:>8}  {value}")

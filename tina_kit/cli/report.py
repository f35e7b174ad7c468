"""`report`: the HTML report of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli.common import open_run
from tina_kit.cli.options import RunFolder, user_paths
from tina_kit.pipeline.console import log


def report(
    run: RunFolder,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write (default: report.html in the run folder).",
            callback=user_paths,
        ),
    ] = None,
) -> None:
    """Write the HTML report of a finished run again.

    Every run writes it when it ends. This writes it with the installed version, or for a run folder
    from before there was one; pictures of what the store no longer has are left out.

    Example: tina-kit report RUN -o for_my_supervisor.html
    """
    from tina_kit.library import write_report

    log(f"{write_report(open_run(run), output)}: written")

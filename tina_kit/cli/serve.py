"""`serve`: p-Models over HTTP, with a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tina_kit.cli.common import open_generator
from tina_kit.cli.options import Device, Trust, user_paths
from tina_kit.pipeline.console import log


def serve(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Bundles or folders of finished runs.",
            callback=user_paths,
        ),
    ],
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; one that other machines reach needs --key-file.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="NUMBER", help="Port to listen on; 0 picks a free one."
        ),
    ] = 8000,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of keys, one per line; every request must send one of them.",
            callback=user_paths,
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="NUMBER",
            help="Requests that may wait for a generator; further ones are refused (429).",
        ),
    ] = 256,
    generator: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of each run (default: its first that reads names)."),
    ] = None,
    log_names: Annotated[
        bool,
        typer.Option(
            "--log-names", help="Log also what users write: class names, addresses, paths."
        ),
    ] = False,
    trust: Trust = False,
    device: Device = "auto",
) -> None:
    """Answer HTTP requests for p-Models, with a page for browsers.

    POST class names to /v1/models, and images to the p-Model that was made; /openapi.json describes
    it all. Requests that arrive together are answered in one batch, and every p-Model is,
    to the last bit, what `generate` makes. SIGTERM or Ctrl-C finishes the requests in
    progress and stops.

    Example: tina-kit serve shapes.tina
    """
    from tina_kit import library

    ready = [open_generator(run, generator, None, "text", device, trust) for run in runs]
    library.serve(
        ready,
        host=host,
        port=port,
        key_file=key_file,
        queue=queue,
        log_names=log_names,
        ready=lambda address: log(f"Serving at {address} (Ctrl-C to stop)"),
    )

"""Serving p-Models over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api.errors import UserError
from tina_kit.api.paths import user_path
from tina_kit.library.generators import load_generator

if TYPE_CHECKING:
    from tina_kit.pipeline.personal import ReadyGenerator


def serve(
    sources: str | Path | ReadyGenerator | Sequence[str | Path | ReadyGenerator],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    key_file: str | Path | None = None,
    queue: int | None = None,
    log_names: bool = False,
    device: str = "auto",
    trust: bool = False,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Answer HTTP requests for p-Models, with a page at `/`, until SIGTERM or Ctrl-C.

    sources: bundles, run folders or generators; host, port: where to listen, port 0 for any that is
    free; key_file: holds keys, one a line, of which each request must bring one, needed where
    others can reach the host; queue: p-Models that may wait before requests are refused; log_names:
    whether the log may hold what users write; trust: as in `load_generator`; ready: is told the
    address once requests are answered. Raises UserError for a source that cannot answer and an
    address that cannot be had. Needs the extra `serve`.
    """
    from tina_kit.pipeline.personal import ReadyGenerator

    given = [sources] if isinstance(sources, (str, Path, ReadyGenerator)) else sources
    try:
        from tina_kit.service import serving
    except ImportError as error:
        raise UserError(
            f"serving needs the package {error.name}: pip install 'tina-kit[serve]'"
        ) from None
    serving.serve(
        lambda: [
            one
            if isinstance(one, ReadyGenerator)
            else load_generator(one, device=device, trust=trust)
            for one in given
        ],
        serving.Place(host, port, None if key_file is None else user_path(key_file)),
        queue=queue,
        log_names=log_names,
        ready=ready,
    )

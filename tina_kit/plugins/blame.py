"""Finds the plugin whose code raised an exception, from the frames of its traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tina_kit.api.component import OWN
from tina_kit.plugins.discovery import points
from tina_kit.plugins.plugin import LOCAL_MODULE


def blame(error: BaseException) -> str | None:
    """`plugin NAME failed in METHOD (FILE:LINE): TYPE: MESSAGE`, where METHOD is what tina-kit
    called and FILE:LINE the innermost line of the plugin's code; None if no third-party plugin is
    involved."""
    frames = list(_frames(error))
    if not frames:
        return None
    (owner, first, _), (_, last, line) = frames[0], frames[-1]
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"plugin {owner} failed in {_method(first)} ({last.f_code.co_filename}:{line}): {what}"


def is_exit_of_command(error: BaseException) -> bool:
    """Whether `error` was raised in a plugin's own command, which may exit, rather than in plugin
    code that the core called."""
    first = next((frame for _, frame, _ in _frames(error)), None)
    if first is None:
        return False
    modules = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame is first:
            break
        modules.append(str(frame.f_globals.get("__name__", "")))
    return not any(m.startswith("tina_kit.") and not m.startswith("tina_kit.cli.") for m in modules)


def _frames(error: BaseException) -> Iterator[tuple[str, FrameType, int]]:
    """The frames in plugins' code, outermost first: owner, frame, line."""
    owners = {
        point.module.partition(".")[0]: point.dist.name if point.dist else point.name
        for point in points()
    }
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        owner = owners.get(module.partition(".")[0])
        if module.startswith(LOCAL_MODULE):
            owner = Path(frame.f_code.co_filename).name
        if owner is not None and owner != OWN:
            yield owner, frame, line


def _method(frame: FrameType) -> str:
    """`Class.method`, or the name of a function."""
    name = getattr(frame.f_code, "co_qualname", None)  # Python 3.11 or later
    if name is not None:
        return str(name)
    this = frame.f_locals.get("self")
    return f"{type(this).__name__}.{frame.f_code.co_name}" if this else frame.f_code.co_name

"""The hooks of a plugin. Each is optional; a plugin must have at least one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from tina_kit.api.component import PROJECT, Component

if TYPE_CHECKING:
    import typer

    from tina_kit.api.observer import Observer, RunInfo

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def tina_kit_components() -> Iterable[Component]:
    """Return the components of this plugin: plain data, no side effect, no import of torch.

    Example::

        from tina_kit.api import Component, hookimpl

        @hookimpl
        def tina_kit_components():
            return [Component(kind="dataset", name="my-images", ...)]
    """
    raise NotImplementedError


@hookspec
def tina_kit_commands(app: typer.Typer) -> None:
    """Add commands to `tina-kit`. Called only where one may be meant: for `tina-kit --help` and for
    a command that tina-kit itself does not have. A local plugin file cannot add any.

    app: an empty app of this plugin's own. What is added to it becomes a command of `tina-kit`,
        unless tina-kit or a plugin before this one has a command of the same name.

    Example::

        @hookimpl
        def tina_kit_commands(app):
            @app.command()
            def histogram(zoo: Path):
                "Print a histogram of a zoo's parameters."
    """
    raise NotImplementedError


@hookspec
def tina_kit_observers(run: RunInfo) -> Iterable[Observer]:
    """Return the observers that are to watch a run, in the order in which they are called.

    run: the run that is about to start.

    Example::

        from tina_kit.api import Observer, hookimpl

        class Printer(Observer):
            def stage_ended(self, stage, seconds):
                print(stage.name, seconds)

        @hookimpl
        def tina_kit_observers(run):
            return [Printer()]
    """
    raise NotImplementedError

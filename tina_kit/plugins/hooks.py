"""The hooks that a plugin can implement. It must implement at least one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

from tina_kit.api.component import PROJECT, Component

if TYPE_CHECKING:
    import typer

    from tina_kit.api.observer import Observer, RunInfo

hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def tina_kit_components() -> Iterable[Component]:
    """Return the components of this plugin: plain data, without side effects or importing torch.

    Example::

        from tina_kit.api import Component, hookimpl

        @hookimpl
        def tina_kit_components():
            return [Component(kind="dataset", name="my-images", ...)]
    """
    raise NotImplementedError


@hookspec
def tina_kit_commands(app: typer.Typer) -> None:
    """Add commands to `tina-kit`. Called only for `tina-kit --help` and for commands that tina-kit
    itself does not have. Local plugin files cannot add commands.

    app: an empty app for this plugin. What is added to it becomes a command of `tina-kit`, unless
        tina-kit or an earlier plugin has a command of the same name.

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
    """Return observers for a run, in the order in which they receive its events.

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


@hookspec
def tina_kit_trackers() -> Mapping[str, str]:
    """Return trackers: observers that a run has only if it asks for them by name, with `--track`,
    `tina_kit.run(track=)` or TINA_KIT_TRACK. Import nothing that belongs to them here.

    By name, "module:attribute" of what makes the observer of a run: it is called with the run, a
    RunInfo. An error there is reported and never stops the run.

    Example::

        @hookimpl
        def tina_kit_trackers():
            return {"notebook": "my_package.notebook:Notebook"}
    """
    raise NotImplementedError

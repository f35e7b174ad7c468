"""The one hook of a plugin."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from tina_kit.api.component import PROJECT, Component

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

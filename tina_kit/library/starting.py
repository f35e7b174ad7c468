"""Writes what somebody starts from: a recipe for their images, a plugin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tina_kit.library.installed import discovered


def init(
    images: str | Path | None = None,
    *,
    output: str | Path | None = None,
    set: Sequence[str] = (),
    device: str = "auto",
) -> Path:
    """Write a recipe that fits a folder of images and this machine, or one that draws its images.

    images: contains a folder of images per class; output: the recipe to write, by default named
    after `images`; set: texts like `dataset.size=64`. Returns the recipe. Raises UserError if it
    exists or the images cannot be read.
    """
    from tina_kit.pipeline.console import log
    from tina_kit.scaffold.recipe import write_recipe

    folder, file = (None if path is None else Path(path) for path in (images, output))
    made = write_recipe(folder, discovered(), output=file, sets=set, device=device, say=log)
    return made.path


def new_plugin(name: str, kinds: Sequence[str], folder: str | Path = ".") -> Path:
    """Write a working plugin package with an example of each kind, and return its new folder.
    Raises UserError for a wrong name or kind and for a folder that exists."""
    from tina_kit.plugins.registry import known_kind
    from tina_kit.scaffold import write_plugin

    return write_plugin(name, [known_kind(kind) for kind in kinds], Path(folder))

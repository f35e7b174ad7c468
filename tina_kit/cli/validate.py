"""`validate`: whether a recipe is right. Never imports torch."""

from __future__ import annotations

from tina_kit.cli.common import registry
from tina_kit.cli.options import PluginFiles, Profile, RecipeFile, Sets, Strict


def validate(
    recipe: RecipeFile,
    set_: Sets = None,
    profile: Profile = None,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Check a recipe without running it.

    Checks each of its profiles too, unless --profile names one.
    """
    from tina_kit.library import validate_with

    names = validate_with(registry(plugin or (), strict), recipe, profile, set_ or ())
    print(f"{recipe}: valid" + (f" ({', '.join(names)})" if names else ""))

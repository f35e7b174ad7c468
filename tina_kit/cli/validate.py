"""`validate`: whether a recipe is right. Never imports torch."""

from __future__ import annotations

from tina_kit.cli.common import PluginFiles, Profile, RecipeFile, Sets, Strict, registry


def validate(
    recipe: RecipeFile,
    set_: Sets = None,
    profile: Profile = None,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Check a recipe without running it. With profiles, each of them is checked too."""
    from tina_kit.recipe.load import profiles_of, resolved, source_of

    found = registry(plugin or (), strict)
    source = source_of(recipe)
    names = [profile] if profile else [None, *profiles_of(source)]
    for each in names:
        resolved(recipe, source, found, profile=each, sets=set_ or ())
    profiles = f" ({', '.join(n for n in names if n)})" if any(names) else ""
    print(f"{recipe}: valid{profiles}")

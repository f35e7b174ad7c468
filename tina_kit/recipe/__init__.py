"""Recipes: schema, loading, overrides, and errors that name file, line and key."""

from tina_kit.recipe.load import load_recipe
from tina_kit.recipe.recipe import Recipe
from tina_kit.recipe.resolve import NamedPart, ResolvedPart

__all__ = ["NamedPart", "Recipe", "ResolvedPart", "load_recipe"]

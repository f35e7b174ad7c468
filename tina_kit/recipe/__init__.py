"""Recipes: schema, loading, overrides, and errors with file, line and key."""

from tina_kit.recipe.component import NamedComponent, ResolvedComponent
from tina_kit.recipe.load import load_recipe, vary
from tina_kit.recipe.recipe import Recipe
from tina_kit.recipe.yaml12 import dump

__all__ = ["NamedComponent", "Recipe", "ResolvedComponent", "dump", "load_recipe", "vary"]

"""Hooks, discovery and registry of plugins. Nothing here imports torch."""

from tina_kit.plugins.discovery import discover
from tina_kit.plugins.failure import Failure
from tina_kit.plugins.plugin import Plugin
from tina_kit.plugins.registry import Registered, Registry

__all__ = ["Failure", "Plugin", "Registered", "Registry", "discover"]

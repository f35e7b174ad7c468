"""What is written for a user to go on with: plugin packages, and recipes for images."""

from tina_kit.scaffold.writer import write_plugin

__all__ = ["write_plugin"]

"""Writes starting points for users: plugin packages, and recipes for folders of images."""

from tina_kit.scaffold.writer import write_plugin

__all__ = ["write_plugin"]

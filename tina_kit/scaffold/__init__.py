"""Plugin packages that work before a line of them is edited."""

from tina_kit.scaffold.writer import write_plugin

__all__ = ["write_plugin"]

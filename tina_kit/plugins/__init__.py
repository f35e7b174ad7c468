"""Which parts there are: the hook, discovery and the registry. Nothing here imports torch."""

from tina_kit.plugins.discovery import Failure, discover
from tina_kit.plugins.registry import Registered, Registry

__all__ = ["Failure", "Registered", "Registry", "discover"]

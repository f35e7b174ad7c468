"""tina-kit: recipes and plugins for text-to-model research."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["PModel", "__version__", "load"]

if TYPE_CHECKING:
    from tina_kit.zoo.pmodel import PModel, load


def __getattr__(name: str) -> Any:
    # Lazy, so that `import tina_kit` (every CLI start) does not import torch.
    if name in ("PModel", "load"):
        from tina_kit.zoo import pmodel

        return getattr(pmodel, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

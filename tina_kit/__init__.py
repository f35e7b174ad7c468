"""tina-kit: recipes and plugins for text-to-model research.

>>> run = tina_kit.run("recipes/quickstart.yaml", profile="smoke")
>>> print(run.table)
>>> model = run.generator().generate(["red circle", "blue star"])
>>> model.save("mine.safetensors")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tina_kit.api.errors import TinaKitError, UserError
    from tina_kit.library import (
        bundle,
        clean_store,
        compare,
        component,
        components,
        describe_run,
        describe_zoo,
        doctor,
        evaluate,
        export,
        export_run,
        export_zoo,
        generate_many,
        import_run,
        import_zoo,
        init,
        list_runs,
        list_store,
        load_generator,
        new_plugin,
        note_run,
        open_run,
        open_sweep,
        pack,
        pin,
        plan,
        predict,
        pull_bundle,
        push_bundle,
        remove_run,
        run,
        schema,
        serve,
        store_usage,
        sweep,
        tag_run,
        unpack,
        unpin,
        validate,
        verify_store,
        watched,
        why,
        write_report,
    )
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.recipe.catalogue import catalogue, copy_recipe
    from tina_kit.zoo.pmodel import PModel, load

_HOME = {
    "FinishedRun": "tina_kit.pipeline.finished",
    "PModel": "tina_kit.zoo.pmodel",
    "TinaKitError": "tina_kit.api.errors",
    "UserError": "tina_kit.api.errors",
    "bundle": "tina_kit.library",
    "catalogue": "tina_kit.recipe.catalogue",
    "clean_store": "tina_kit.library",
    "compare": "tina_kit.library",
    "component": "tina_kit.library",
    "components": "tina_kit.library",
    "copy_recipe": "tina_kit.recipe.catalogue",
    "describe_run": "tina_kit.library",
    "describe_zoo": "tina_kit.library",
    "doctor": "tina_kit.library",
    "evaluate": "tina_kit.library",
    "export": "tina_kit.library",
    "export_run": "tina_kit.library",
    "export_zoo": "tina_kit.library",
    "generate_many": "tina_kit.library",
    "import_run": "tina_kit.library",
    "import_zoo": "tina_kit.library",
    "init": "tina_kit.library",
    "list_runs": "tina_kit.library",
    "list_store": "tina_kit.library",
    "load": "tina_kit.zoo.pmodel",
    "load_generator": "tina_kit.library",
    "new_plugin": "tina_kit.library",
    "note_run": "tina_kit.library",
    "open_run": "tina_kit.library",
    "open_sweep": "tina_kit.library",
    "pack": "tina_kit.library",
    "pin": "tina_kit.library",
    "plan": "tina_kit.library",
    "predict": "tina_kit.library",
    "pull_bundle": "tina_kit.library",
    "push_bundle": "tina_kit.library",
    "remove_run": "tina_kit.library",
    "run": "tina_kit.library",
    "schema": "tina_kit.library",
    "serve": "tina_kit.library",
    "store_usage": "tina_kit.library",
    "sweep": "tina_kit.library",
    "tag_run": "tina_kit.library",
    "unpack": "tina_kit.library",
    "unpin": "tina_kit.library",
    "validate": "tina_kit.library",
    "verify_store": "tina_kit.library",
    "watched": "tina_kit.library",
    "why": "tina_kit.library",
    "write_report": "tina_kit.library",
}
__all__ = [
    "FinishedRun",
    "PModel",
    "TinaKitError",
    "UserError",
    "__version__",
    "bundle",
    "catalogue",
    "clean_store",
    "compare",
    "component",
    "components",
    "copy_recipe",
    "describe_run",
    "describe_zoo",
    "doctor",
    "evaluate",
    "export",
    "export_run",
    "export_zoo",
    "generate_many",
    "import_run",
    "import_zoo",
    "init",
    "list_runs",
    "list_store",
    "load",
    "load_generator",
    "new_plugin",
    "note_run",
    "open_run",
    "open_sweep",
    "pack",
    "pin",
    "plan",
    "predict",
    "pull_bundle",
    "push_bundle",
    "remove_run",
    "run",
    "schema",
    "serve",
    "store_usage",
    "sweep",
    "tag_run",
    "unpack",
    "unpin",
    "validate",
    "verify_store",
    "watched",
    "why",
    "write_report",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # Lazy, so that `import tina_kit` (every CLI start) does not import torch.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

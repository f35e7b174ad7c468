"""What can be done with tina-kit from Python; `tina_kit` offers all of it by name.

Every command of the command line is one of these calls. Those that end in `_with`, and others that
take a registry, are for the command line, which reports broken plugins its own way.
"""

from tina_kit.library.generators import (
    bundle,
    generate_many,
    generator_with,
    load_generator,
    pull_bundle,
    push_bundle,
)
from tina_kit.library.installed import (
    component,
    component_with,
    components,
    discovered,
    doctor,
    entries,
    schema,
)
from tina_kit.library.models import evaluate, export, loaded_model, predict
from tina_kit.library.runs import open_run, plan, plan_with, run, start, validate, validate_with
from tina_kit.library.serving import serve
from tina_kit.library.starting import init, new_plugin
from tina_kit.library.storing import (
    clean_store,
    list_store,
    pack,
    pin,
    store_usage,
    unpack,
    unpin,
    verify_store,
    why,
    why_with,
)
from tina_kit.library.zoos import describe_zoo, export_zoo, import_zoo

__all__ = [
    "bundle",
    "clean_store",
    "component",
    "component_with",
    "components",
    "describe_zoo",
    "discovered",
    "doctor",
    "entries",
    "evaluate",
    "export",
    "export_zoo",
    "generate_many",
    "generator_with",
    "import_zoo",
    "init",
    "list_store",
    "load_generator",
    "loaded_model",
    "new_plugin",
    "open_run",
    "pack",
    "pin",
    "plan",
    "plan_with",
    "predict",
    "pull_bundle",
    "push_bundle",
    "run",
    "schema",
    "serve",
    "start",
    "store_usage",
    "unpack",
    "unpin",
    "validate",
    "validate_with",
    "verify_store",
    "why",
    "why_with",
]

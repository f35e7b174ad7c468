"""What can be done with tina-kit from Python; `tina_kit` offers all of it by name.

Every command of the command line is one of these calls. Those that end in `_with`, and others that
take a registry, are for the command line, which reports broken plugins its own way.
"""

from tina_kit.library.folders import (
    check_removable,
    compare,
    describe_run,
    export_run,
    import_run,
    list_runs,
    note_run,
    remove_run,
    tag_run,
)
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
    findings_with,
    schema,
)
from tina_kit.library.keeping import pack, pin, unpack, unpin
from tina_kit.library.models import evaluate, export, loaded_model, predict
from tina_kit.library.runs import (
    open_run,
    plan,
    plan_with,
    run,
    start,
    validate,
    validate_with,
    write_report,
)
from tina_kit.library.serving import serve
from tina_kit.library.starting import init, new_plugin
from tina_kit.library.storing import (
    clean_store,
    list_store,
    store_usage,
    verify_store,
    why,
    why_with,
)
from tina_kit.library.sweeping import open_sweep, sweep, sweep_with
from tina_kit.library.watching import watched
from tina_kit.library.zoos import describe_zoo, export_zoo, import_zoo

__all__ = [
    "bundle",
    "check_removable",
    "clean_store",
    "compare",
    "component",
    "component_with",
    "components",
    "describe_run",
    "describe_zoo",
    "discovered",
    "doctor",
    "entries",
    "evaluate",
    "export",
    "export_run",
    "export_zoo",
    "findings_with",
    "generate_many",
    "generator_with",
    "import_run",
    "import_zoo",
    "init",
    "list_runs",
    "list_store",
    "load_generator",
    "loaded_model",
    "new_plugin",
    "note_run",
    "open_run",
    "open_sweep",
    "pack",
    "pin",
    "plan",
    "plan_with",
    "predict",
    "pull_bundle",
    "push_bundle",
    "remove_run",
    "run",
    "schema",
    "serve",
    "start",
    "store_usage",
    "sweep",
    "sweep_with",
    "tag_run",
    "unpack",
    "unpin",
    "validate",
    "validate_with",
    "verify_store",
    "watched",
    "why",
    "why_with",
    "write_report",
]

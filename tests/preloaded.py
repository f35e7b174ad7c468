"""What a run imports, for `tests.forked`: importing this module imports it all but plugins, which
differ between tests."""

import torch._dynamo  # noqa: F401  (which optimisers import)
import typer.main

import tests.not_flushed  # noqa: F401
import tina_kit.cli.app
import tina_kit.pipeline.plan
import tina_kit.pipeline.run

typer.main.get_command(tina_kit.cli.app.app)

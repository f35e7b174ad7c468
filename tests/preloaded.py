"""What a run imports, for `tests.forked`: importing this module imports it all but plugins, which
differ between tests."""

import torch._dynamo  # noqa: F401  (which optimisers import)

import tina_kit.cli.app
import tina_kit.pipeline.plan
import tina_kit.pipeline.run  # noqa: F401

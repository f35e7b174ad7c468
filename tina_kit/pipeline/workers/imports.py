"""What every worker needs, imported once by the process from which workers are forked. None of it
may start a thread or use a GPU, since neither survives a fork."""

import tina_kit.pipeline.plan
import tina_kit.pipeline.record
import tina_kit.pipeline.workers.computing
import tina_kit.pipeline.workers.executor
import tina_kit.pipeline.workers.worker
import tina_kit.plugins  # noqa: F401

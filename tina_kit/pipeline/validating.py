"""The p-Acc of a generator on validation tasks while it is still being trained."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from tina_kit.api import Generator, Observer
from tina_kit.pipeline.generating import generate
from tina_kit.pipeline.stages.evaluate import prompts
from tina_kit.pipeline.stages.fit import GeneratorRow
from tina_kit.recipe.schema import EvaluationOptions
from tina_kit.report.results import accuracies
from tina_kit.training import LostRank, Probe
from tina_kit.zoo.evaluation import evaluate

TASKS = 50  # of the validation tasks, so that measuring takes little of the time of training
_LOG = logging.getLogger(__name__)


def measure_while_fitting(row: GeneratorRow, tasks: Tensor, options: EvaluationOptions) -> None:
    """Let the row's stage measure p-Acc as often as `options.curve` says, in a run that validates.

    tasks: int64 `(T, C)`, the OOD tasks, of which the first are used. A generator that cannot
    answer them is not measured.
    """
    if options.curve and len(tasks) and not (row.flags.id_only or row.flags.personalises):
        row.measurements = options.curve
        row.probe_of = lambda generator: _probe(row, generator, tasks[:TASKS], options)


def _probe(
    row: GeneratorRow, generator: Generator, tasks: Tensor, options: EvaluationOptions
) -> Probe:
    """The generator is saved and read into another one, which then generates, so that nothing of
    the one that learns is touched: neither what it keeps nor its random numbers."""
    data, conditions = cache(lambda: row.inputs.of("test")), cache(lambda: prompts(row, tasks))

    def ready() -> Generator | None:
        with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            try:
                generator.save(Path(folder))
                other = row.set_up()
                other.load(Path(folder))
                return other
            except AttributeError:  # what it saves is not there before its last training
                return None

    def measure(module: nn.Module) -> float | None:
        other = ready()
        if other is None:
            return None
        vectors = generate(other, conditions(), tasks, Observer(), row.seed)
        counts = evaluate(data(), vectors, tasks, options.batch_size)
        counted = {"correct": counts.correct.tolist(), "total": counts.total.tolist()}
        return float(accuracies(counted, options.average).mean())

    failed = False

    def guarded(module: nn.Module) -> float | None:
        nonlocal failed
        if failed:
            return None
        try:
            return measure(module)
        except LostRank:
            raise
        except Exception as error:  # a curve is no reason to lose a training
            failed = True
            _LOG.warning("fit/%s: no curve of p-Acc: %s: %s", row.name, type(error).__name__, error)
            return None

    return guarded

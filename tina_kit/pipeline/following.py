"""What ranks other than the first do in a run.

The first rank works through the plan, as a single process does. Before it trains, it says so, and
all train together. Before it fine-tunes the first shard of a zoo, it says so too, and the others
fine-tune some of the shards after it; the store's locks keep each from being made twice. All else
it does alone.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from tina_kit.api import TinaKitError
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.record import maker
from tina_kit.pipeline.stage import SharedStage, Stage
from tina_kit.store import Draft
from tina_kit.training import LostRank


def lead(plan: Plan) -> None:
    """Meet the other ranks, before anything is computed."""
    plan.runtime.ranks.join(plan.runtime.device)
    plan.runtime.ranks.tell(plan.key)


def dismiss(plan: Plan) -> None:
    """Let the other ranks go. All is done, even if one of them is lost."""
    with suppress(LostRank):
        plan.runtime.ranks.tell(None)
        plan.runtime.ranks.leave()


def follow(plan: Plan) -> None:
    """Do what the first rank asks for until it is done. Raises TinaKitError if its plan is another
    one, and LostRank if it is gone."""
    ranks = plan.runtime.ranks
    ranks.join(plan.runtime.device)
    if ranks.tell() != plan.key:
        raise TinaKitError("it plans other stages than rank 0: a file has changed, start again")
    stages = {(stage.kind, stage.key): stage for stage in plan.stages}
    while (asked := ranks.tell()) is not None:
        stage = stages[tuple(asked)]
        if isinstance(stage, SharedStage):
            with tempfile.TemporaryDirectory() as folder:  # nothing of this rank's is kept
                stage.train(Draft(Path(folder), Path(folder)))
        else:
            _take_shards(plan, stage)
    ranks.leave()


def _take_shards(plan: Plan, asked: Stage) -> None:
    """This rank's share of a split's shards, from the one that the first rank has begun."""
    ranks, facts = plan.runtime.ranks, maker(plan.runtime.device, plan.runtime.ranks.count)
    split = [each for each in plan.stages if (each.group, each.seed) == (asked.group, asked.seed)]
    for stage in split[split.index(asked) + ranks.index :: ranks.count]:
        stage.ensure(made_by=facts)

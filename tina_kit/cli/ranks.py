"""A command that several processes run together, each a rank."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tina_kit.api.errors import TinaKitError, UserError

if TYPE_CHECKING:
    from tina_kit.pipeline.plan import Plan
    from tina_kit.training import Ranks


def is_rank() -> bool:
    """Whether this process is one of several."""
    return int(os.environ.get("WORLD_SIZE", 1)) > 1 and "MASTER_ADDR" in os.environ


def start_ranks(devices: int, device: str) -> int:
    """Run this command line again as so many ranks; the exit code."""
    from tina_kit.training import check_devices, cores, launch

    check_devices(devices, device)
    return launch(devices, cores(), sys.argv[1:])


def ranks_here(devices: int | None, device: str) -> Ranks | None:
    """The ranks of which this process is one, as torchrun or `start_ranks` has started them; None
    if it is alone. Only the first is heard from now on."""
    if not is_rank():
        return None
    from tina_kit.training import Ranks

    ranks = Ranks.of_environment()
    if not ranks.first:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(nowhere, stream.fileno())
    if devices not in (None, ranks.count):
        raise UserError(f"--devices {devices}: torchrun has started {ranks.count}; leave it out")
    ranks.claim(device)
    return ranks


def follow_first(plan: Plan) -> int:
    """What a rank other than the first does; the exit code. The first one says why it failed."""
    from tina_kit.pipeline.following import follow
    from tina_kit.plugins.blame import blame
    from tina_kit.training import LostRank

    try:
        follow(plan)
    except LostRank:
        return 1
    except Exception as error:
        said = str(error) if isinstance(error, TinaKitError) else blame(error)
        plan.runtime.ranks.fail(said or f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    return 0

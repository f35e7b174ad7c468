"""What a worker is told of a run, and how it makes sure that it means the same by it."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import tina_kit
from tina_kit.api.errors import UserError

if TYPE_CHECKING:
    from tina_kit.pipeline.plan import Plan
    from tina_kit.plugins import Registry
    from tina_kit.recipe.node import Node
    from tina_kit.recipe.schema import StageResources
    from tina_kit.store import Store

_TOKEN = "worker-token"


@dataclass(frozen=True)
class Job:
    """Plain data, from which a worker makes the plan again.

    path, source, plugins: of the recipe; store: its folder or address; key: of the plan; token: see
    `token_in`; software: see `software`; made_by: versions and hardware of the process that leads
    the run; threads: of each worker; resources: by kind of stage, as the recipe says.
    """

    path: Path
    source: Node
    plugins: tuple[Path, ...]
    store: str
    device: str
    threads: int
    key: str
    token: str
    software: Mapping[str, str]
    made_by: Mapping[str, Any]
    resources: Mapping[str, StageResources]


@contextmanager
def job_of(plan: Plan, threads: int, made_by: Mapping[str, Any]) -> Iterator[Job]:
    """What the workers of a run are told; the token lies in the store meanwhile."""
    recipe, store = plan.recipe, plan.store
    with token_in(store) as token:
        yield Job(
            recipe.path.absolute(),
            recipe.source,
            recipe.plugins,
            store.place if store.remote else str(store.root.absolute()),
            str(plan.runtime.device),
            threads,
            plan.key,
            token,
            software(recipe.registry),
            made_by,
            {str(kind): each for kind, each in recipe.core.resources.items()},
        )


@contextmanager
def token_in(store: Store) -> Iterator[str]:
    """A word that lies in a file of the store meanwhile, with the file's name before it: who finds
    it sees the same store. At an address it also lies there."""
    from tina_kit.store.disk import STORE_REMEDY, explaining
    from tina_kit.store.files import draft_of, write_text

    word = token_hex(16)
    # Named after this process, so that a later run removes it if this one is killed.
    file = draft_of(store.root.absolute() / _TOKEN)
    with explaining(store.root, STORE_REMEDY):
        write_text(file, word)
    if store.remote is not None:
        store.remote.leave(file.name, word)
    try:
        yield f"{file.name} {word}"
    finally:
        with suppress(OSError):
            file.unlink()
        if store.remote is not None:
            store.remote.remove(file.name)


def sees(store: Store, token: str) -> bool:
    """Whether a token lies in a store. Raises UserError if its address cannot be reached."""
    name, _, word = token.partition(" ")
    with suppress(OSError):
        if (store.root / name).read_text(encoding="utf-8") == word:
            return True
    return store.remote is not None and store.remote.left(name) == word


def software(registry: Registry) -> dict[str, str]:
    """The versions on which keys depend: of tina-kit, Python and the plugins."""
    found = {"Python": platform.python_version(), "tina-kit": tina_kit.__version__}
    for loaded in registry.plugins:
        plugin = loaded.plugin
        found[plugin.file or plugin.owner] = plugin.content or plugin.version
    return found


def check_store(job: Job) -> None:
    """Raises UserError unless the store is the one of the process that leads the run."""
    from tina_kit.store import Store

    if not sees(Store.of(job.store), job.token):
        raise UserError(
            f"the store {job.store} on {platform.node()} is not that of this run: what was written "
            "there does not arrive. Let TINA_KIT_STORE name a folder that all machines share, or "
            "an address that all can write to"
        )


def check_plan(job: Job, plan: Plan) -> None:
    """Raises UserError unless the plan is the same as that of the process that leads the run."""
    if plan.key == job.key:
        return
    ours, theirs = software(plan.recipe.registry), job.software
    found = [
        f"{name} {theirs.get(name) or 'is missing'} there, {ours.get(name) or 'is missing'} here"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    raise UserError(
        f"a worker on {platform.node()} plans other stages than the process that leads the run "
        f"({'; '.join(found) or 'the data set, or a file that the recipe names, differs'}). "
        "Install the same versions and give the same data everywhere"
    )

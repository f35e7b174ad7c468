"""Results that a user keeps: pinned in the store, or packed for another machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api.errors import UserError
from tina_kit.api.paths import user_path

if TYPE_CHECKING:
    from tina_kit.store.names import Result
    from tina_kit.store.packing import Unpacked


def pin(what: str | Path) -> int:
    """Keep results whoever else names them; returns how many.

    what: a run folder, for all of its results, or one as `STAGE/KEY`, whose key may be abridged.
    Raises UserError if there is no such thing.
    """
    from tina_kit.store import Store
    from tina_kit.store.disk import explaining
    from tina_kit.store.names import Names

    root = Store.default().root
    name, results, title = _pinned(str(what), root)
    with explaining(root, "run this as the owner of the store"):
        Names(root).add("pin", name, results, title)
    return len(results)


def unpin(what: str | Path) -> None:
    """No longer keep what was pinned so. Raises UserError, with all pins, if nothing was."""
    from tina_kit.store import Store
    from tina_kit.store.disk import explaining
    from tina_kit.store.names import Names

    root = Store.default().root
    names = Names(root)
    pins = {name.what: name for name in names.all() if name.kind == "pin"}
    asked = str(what)
    found = pins.get(asked) or pins.get(str(user_path(asked).resolve()))
    if found is None and "/" in asked:
        stage, _, key = asked.rpartition("/")
        alike = [pins[text] for text in pins if key and text.startswith(f"{stage}/{key}")]
        found = alike[0] if len(alike) == 1 else None
    if found is None:
        there = ", ".join(pins) or "none"
        raise UserError(f"{asked}: this is not pinned; pinned are: {there}")
    with explaining(root, "run this as the owner of the store"), names.held():
        names.remove([found])


def pack(run: str | Path, output: str | Path, *, stages: Sequence[str] = ()) -> int:
    """Write the results of a run to one file, to continue with them on another machine; returns its
    bytes. stages: kinds of stages, by default all. Raises UserError if the run has none of these
    or the file cannot be written, and TinaKitError for a result that is missing or was altered."""
    from tina_kit.store import Store
    from tina_kit.store.names import of_run_folder
    from tina_kit.store.packing import pack

    name = of_run_folder(user_path(run))
    results = [each for each in name.results if not stages or each[0] in stages]
    if not results:
        raise UserError(f"{run}: this run has no results of the stages {', '.join(stages)}")
    return pack(Store.default(), results, user_path(output), f"{name.title} ({Path(run).name})")


def unpack(file: str | Path) -> Unpacked:
    """Add the results in such a file to the store, and pin them. Nothing is added unless all of
    them are as they were packed. Raises UserError if they are not."""
    from tina_kit.store import Store
    from tina_kit.store.packing import unpack

    return unpack(Store.default(), user_path(file))


def _pinned(what: str, root: Path) -> tuple[str, Sequence[Result], str]:
    """The pin's name, its results and its title."""
    from tina_kit.store.listing import items
    from tina_kit.store.names import of_run_folder

    path = user_path(what)
    if (path / "run.json").is_file():
        name = of_run_folder(path)
        return name.what, sorted(name.results), name.title
    stage, _, start = what.rpartition("/")
    keys = [item.key for item in items(root, [stage]) if start and item.key.startswith(start)]
    if len(keys) > 1:
        raise UserError(f"{what}: {len(keys)} results begin so; write more of the key")
    if not keys:
        raise UserError(
            f"{what}: this is neither a run folder nor a result in the store, as `store ls` lists "
            "them (STAGE/KEY)"
        )
    return f"{stage}/{keys[0]}", [(stage, keys[0])], ""

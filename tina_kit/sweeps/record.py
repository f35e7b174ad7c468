"""`sweep.json`: what a sweep is, its points, and how far it is. It is written after every change,
so that a sweep that was killed goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tina_kit.api import UserError
from tina_kit.store import write_json
from tina_kit.store.files import read_json
from tina_kit.sweeps.points import Point

FILE = "sweep.json"
IDENTITY = ("recipe_key", "axes", "method", "seed", "seeds", "row", "split")
"""What makes a sweep the same one; it may have more points than before."""


@dataclass
class Record:
    """The content of `sweep.json`. facts: all of it but its `points`, each of which has `number`
    (from 1), `set` and `status`: waiting, running, done, pruned or failed."""

    folder: Path
    facts: dict[str, Any]
    points: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, facts: dict[str, Any]) -> Record:
        """A new sweep, or the one in this folder. Raises UserError if that is another one."""
        path = folder / FILE
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder, facts)
        before = cls.read(folder)
        known = before.facts
        other = [each for each in IDENTITY if known.get(each) != facts[each]]
        if other:
            raise UserError(
                f"{folder}: holds another sweep (its {', '.join(other)} differ); choose another "
                "--name, or remove the folder"
            )
        return cls(folder, facts, before.points)

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Raises UserError if there is no sweep in the folder."""
        try:
            content = dict(read_json(folder / FILE))
            points = [dict(point) for point in content.pop("points")]
            return cls(folder, content, points)
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{folder}: not a sweep's folder (it has no readable {FILE}); `tina-kit sweep` "
                "prints it"
            ) from None

    def save(self) -> None:
        write_json(self.folder / FILE, {**self.facts, "points": self.points})

    def extend(self, points: Iterable[Point]) -> None:
        """Add those that it does not have yet."""
        for point in list(points)[len(self.points) :]:
            number = len(self.points) + 1
            self.points.append({"number": number, "set": point, "status": "waiting"})

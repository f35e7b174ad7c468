"""The p-Models that were made last, by what they contain, in bounded memory."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.service.batching import Made
from tina_kit.service.metrics import Metrics
from tina_kit.zoo.pmodel import PModel

_OVERHEAD = 40_000
"""Bytes of a p-Model in memory besides its parameters and its file: modules, names, facts."""


@dataclass
class Kept:
    """id: of its content; generator: that made it; exported: its files in other formats."""

    id: str
    model: PModel
    content: bytes
    generator: ReadyGenerator
    exported: dict[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        files = len(self.content) + sum(map(len, self.exported.values()))
        return _OVERHEAD + len(self.content) + files


def request_key(generator: str, classes: Sequence[str]) -> str:
    """Of a request; equal ones have equal p-Models. generator: its name in the service."""
    return hashlib.sha256(json.dumps([generator, list(classes)]).encode()).hexdigest()


class Cache:
    """most: bytes. What was not used for the longest time goes first."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics = most, metrics
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._asked: dict[str, str] = {}  # a request's key → an id
        self._keys: dict[str, set[str]] = {}  # the inverse
        self._sizes: dict[str, int] = {}
        self._total = 0

    def of_request(self, key: str) -> Kept | None:
        number = self._asked.get(key)
        return None if number is None else self.get(number)

    def get(self, number: str) -> Kept | None:
        kept = self._kept.get(number)
        if kept is not None:
            self._kept.move_to_end(number)
        return kept

    def put(self, key: str, generator: ReadyGenerator, made: Made) -> Kept:
        number = hashlib.sha256(made.content).hexdigest()[:32]
        kept = self._kept.get(number) or Kept(number, made.model, made.content, generator)
        self._kept[number] = kept
        self._asked[key] = number
        self._keys.setdefault(number, set()).add(key)
        self.grown(kept)
        return kept

    def grown(self, kept: Kept) -> None:
        """It was added or has an export more."""
        if self._kept.get(kept.id) is not kept:  # it went meanwhile
            return
        self._kept.move_to_end(kept.id)
        self._total += kept.size - self._sizes.get(kept.id, 0)
        self._sizes[kept.id] = kept.size
        # The newest stays, whatever its size: somebody is about to ask for it.
        while self._total > self._most and len(self._kept) > 1:
            oldest, _ = self._kept.popitem(last=False)
            self._total -= self._sizes.pop(oldest)
            for key in self._keys.pop(oldest):
                del self._asked[key]
        self._metrics.kept.set(len(self._kept))
        self._metrics.kept_bytes.set(self._total)

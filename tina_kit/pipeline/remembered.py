"""Embedded prompts that are kept, since many requests name the same classes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

MOST = 1 << 14
"""Rows that are kept: of CLIP's, 32 MiB."""


class Remembered:
    """The rows of the prompts that were asked for last. A row depends on its own prompt alone, as
    conditioners promise, so one that is kept is the one that would be embedded again."""

    def __init__(self, known: Iterable[tuple[str, Tensor]] = ()) -> None:
        self._rows = OrderedDict(known)

    def rows(self, prompts: Sequence[str], embed: Callable[[Sequence[str]], Tensor]) -> Tensor:
        """float32 `(C, D)`. embed: is asked for the rows that are not kept."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._rows]
        found = {prompt: self._rows[prompt] for prompt in prompts if prompt in self._rows}
        if new:
            found |= {prompt: row.clone() for prompt, row in zip(new, embed(new))}
        for prompt, row in found.items():
            self._rows[prompt] = row
            self._rows.move_to_end(prompt)
        while len(self._rows) > MOST:
            self._rows.popitem(last=False)
        return torch.stack([found[prompt] for prompt in prompts])

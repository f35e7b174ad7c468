"""Stateless randomness: every draw is seeded by the run's seed and its purpose.

So a resumed run needs no saved RNG state, and the draws of one task do not depend on which other
tasks are trained with it.
"""

from __future__ import annotations

import hashlib

import torch


def derived_seed(*parts: int | str) -> int:
    """A seed in [0, 2^63) from the hash of `parts`."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(*parts: int | str) -> torch.Generator:
    """A CPU random number generator seeded by `parts`."""
    return torch.Generator().manual_seed(derived_seed(*parts))

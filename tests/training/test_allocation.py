"""Freed memory is kept where glibc allows it, and nothing breaks where it does not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import resource, torch
from tina_kit.training import keep_freed_memory
print(keep_freed_memory())
x = torch.randn(64, 16, 64, 64)
for _ in range(3):
    y = x * 2
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    y = x * 2
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**env: str) -> tuple[str, int]:
    told = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **env},
    ).stdout.split()
    return told[0], int(told[1])


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_used_again_instead_of_asked_for_anew() -> None:
    kept, few = faults()
    left, many = faults(MALLOC_TOP_PAD_="131072")
    assert (kept, left) == ("True", "False")
    assert 2 * few < many

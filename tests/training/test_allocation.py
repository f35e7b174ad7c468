"""Freed memory is kept where glibc allows it, and nothing breaks where it does not."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tina_kit.training import return_freed_memory

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


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.skipif("glibc" not in platform.libc_ver()[0], reason="about glibc")
def test_freed_memory_between_memory_in_use_is_returned() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    blocks = [bytearray(b"x" * 60_000) for _ in range(2000)]
    del blocks[::2]
    before = resident()
    return_freed_memory()
    assert before - resident() > 20_000_000
    assert len(blocks) == 1000

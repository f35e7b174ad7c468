"""Starts the ranks of a run on this machine, and ends all of them if one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from tina_kit.api.interruption import signal_of

LAUNCHED = "TINA_KIT_LAUNCHED"
"""In the environment of ranks that `launch` has started."""
LOST = getattr(signal, "SIGUSR2", signal.SIGTERM)
"""Tells the first rank that another one is gone, in case it does not notice by itself."""
_NOTICE_S, _END_S = 5.0, 20.0  # for the first rank: to notice it, and to end
_PR_SET_PDEATHSIG = 1  # from Linux's prctl.h


def launch(count: int, cores: int, arguments: Sequence[str]) -> int:
    """Run `tina-kit ARGUMENTS` as `count` ranks, with a share of the cores each unless
    OMP_NUM_THREADS is set. Only the first is heard. Returns its exit code, 1 if it was killed."""
    shared = {
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, cores // count)),
        LAUNCHED: "1",
    }
    if sys.platform.startswith("linux"):
        shared["GLOO_SOCKET_IFNAME"] = "lo"  # whatever the machine's name resolves to
    # Modules are found where this process finds them, and not in the folder it was started in.
    main = f"import sys; sys.path[:] = {sys.path!r}; from tina_kit.cli import main; main()"
    ranks = []
    try:
        for index in range(count):
            output = None if index == 0 else subprocess.DEVNULL
            ranks.append(
                subprocess.Popen(
                    [sys.executable, "-c", main, *arguments],
                    env={**os.environ, **shared, "RANK": str(index), "LOCAL_RANK": str(index)},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C reaches this process, which passes it on once
                )
            )
        return _watched(ranks)
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()


def _watched(ranks: Sequence[subprocess.Popen[bytes]]) -> int:
    first, others = ranks[0], ranks[1:]
    lost_s: float | None = None
    told = False
    while first.poll() is None:
        try:
            time.sleep(0.1)
            if lost_s is None and any(rank.poll() for rank in others):
                lost_s = time.monotonic()
            waited = 0.0 if lost_s is None else time.monotonic() - lost_s
            if waited > _NOTICE_S and not told:
                told = True
                first.send_signal(LOST)
            if waited > _END_S:  # as where it waits for a GPU that waits for the other
                first.kill()
        except KeyboardInterrupt as interrupt:
            came = signal_of(interrupt)
            first.send_signal(signal.SIGTERM if came == LOST else came)
    _wait(others)
    if first.returncode >= 0:
        return first.returncode
    lost = "" if lost_s is None else ", as it did not end after another rank had"
    print(
        f"error: rank 0 was killed by {signal.Signals(-first.returncode).name}{lost}. Finished "
        "stages and checkpoints are kept; run the same command to resume",
        file=sys.stderr,
    )
    return 1


def _wait(others: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let the others end by themselves, if they do."""
    until = time.monotonic() + _NOTICE_S
    for rank in others:
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            rank.wait(max(0.0, until - time.monotonic()))


def end_with_parent() -> None:
    """Let Linux send SIGTERM to this process when its parent has ended, however it did."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])

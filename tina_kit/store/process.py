"""Identifies processes, and tells whether they are still running."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Host and process ID, with what distinguishes them from a later boot or process, as JSON."""
    pid = os.getpid()
    _, started = _seen(pid)
    return {
        "host": platform.node(),
        "pid": pid,
        "boot_id": _boot_id(),
        "pid_namespace": _pid_namespace(),
        "process_started": started,
    }


def has_ended(process: Mapping[str, Any]) -> bool | None:
    """Whether a process described by `this_process` has ended; None if that is unknown because it
    ran on another machine or in another container."""
    host, pid = process.get("host"), process.get("pid")
    if not isinstance(pid, int) or pid < 1 or not isinstance(host, str):
        return None
    if process.get("boot_id") != _boot_id():
        return True if host == platform.node() else None
    if process.get("pid_namespace") != _pid_namespace():
        return None
    if _boot_id() is None and host != platform.node():
        return None
    there, started = _seen(pid)
    before = process.get("process_started")
    return not there or (None not in (started, before) and started != before)


def mark() -> str:
    """A short name of this process, used in names of files that only it writes."""
    return f"{_host()}-{os.getpid()}"


def is_left_over(mark: str) -> bool:
    """Whether the process with this `mark` ran on this machine and has ended."""
    host, _, pid = mark.partition("-")
    return host == _host() and pid.isdecimal() and not _seen(int(pid))[0]


def _seen(pid: int) -> tuple[bool, str | None]:
    """Whether a process with this ID is running, and its start time in the system's format."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False, None
    except PermissionError:  # another user's
        pass
    with suppress(OSError, IndexError):
        # The name in parentheses may contain anything. After it, the first field is the state and
        # the 20th the start time.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0] not in "ZX", fields[19]
    with suppress(OSError, subprocess.CalledProcessError):
        return True, _printed("ps", "-o", "lstart=", "-p", str(pid))
    return True, None


@cache
def _boot_id() -> str | None:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with suppress(OSError, subprocess.CalledProcessError):
        return _printed("sysctl", "-n", "kern.bootsessionuuid")
    return None


@cache
def _pid_namespace() -> str | None:
    """Process IDs are only unique within a namespace, such as a container."""
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return None


@cache
def _host() -> str:
    place = f"{platform.node()} {_pid_namespace()}"
    return hashlib.sha256(place.encode()).hexdigest()[:8]


def _printed(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()

"""Bytes and times in words."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def amount(count: float) -> str:
    """Bytes, like "1.3 MB"."""
    power = 0
    while count >= 999.5 and power < len(_UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.0f} {_UNITS[power]}" if power == 0 else f"{count:.3g} {_UNITS[power]}"


def duration(seconds: float) -> str:
    """Like "3 h 05 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def age(seconds: float) -> str:
    """Like "3 h", for a column of a table."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def moment(time: str) -> str:
    """Like "2026-11-01 12:00", of a time of `run.json`."""
    return time[:16].replace("T", " ")

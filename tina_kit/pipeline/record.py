"""`run.json`: everything that a reader needs to trust or repeat a run."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tina_kit
from tina_kit.api import UserError, read_text
from tina_kit.pipeline.logs import now
from tina_kit.pipeline.run_files import Record, check_content
from tina_kit.store.process import has_ended, this_process

if TYPE_CHECKING:
    import torch

    from tina_kit.pipeline.plan import Plan

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "open_clip_torch",
    "sentence-transformers",
    "numpy",
    "safetensors",
)


def new_record(plan: Plan, command: Sequence[str], plugins: Sequence[str]) -> dict[str, Any]:
    runtime, classes = plan.runtime, plan.experiments[0].classes
    return {
        "status": "running",
        "started": now(),
        **this_process(),
        "command": list(command),
        "name": plan.recipe.core.name,
        "key": plan.key,
        "profile": plan.recipe.profile,
        "set": list(plan.recipe.sets),
        "seeds": list(plan.recipe.core.seeds),
        "precision": runtime.precision,
        "store": plan.store.place,
        **maker(plan.runtime.device, plan.runtime.ranks.count),
        "plugins": list(plugins),
        "components": plan.recipe.facts(),
        "data": {
            "classes": list(classes.names),
            "superclasses": None if classes.superclasses is None else list(classes.superclasses),
        },
        "stages": [],
    }


def maker(device: torch.device, ranks: int = 1) -> dict[str, Any]:
    """Versions and hardware of this process, which are recorded with every result. ranks: processes
    that train together."""
    return {
        "tina_kit": tina_kit.__version__,
        "git": _git(Path(tina_kit.__file__).parent),
        "versions": {"python": platform.python_version(), **_versions()},
        "device": str(device),
        "hardware": {**_hardware(device), "ranks": ranks},
    }


def read_record(folder: Path) -> dict[str, Any]:
    """`run.json` of a finished run. Raises UserError if `folder` has no finished run."""
    try:
        record = dict(json.loads(read_text(folder / "run.json")))
        status = status_of(record)
        if status == "done":
            check_content(record, Record)
            Path(record["store"])  # which readers open
    except (UserError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            f"{folder}: not a run folder (it has no readable run.json); `tina-kit run` prints the "
            "folder of each run"
        ) from None
    if status == "done":
        return record
    where = f"process {record.get('pid', '?')} on {record.get('host', 'an unknown host')}"
    again = "run its recipe again, which resumes it"
    ended = {
        "running": f"has not finished ({where}); wait for it, or if that process is gone, {again}",
        "killed": f"was killed ({where} is gone); {again}",
        "failed": f"failed; {again}",
        "interrupted": f"was interrupted; {again}",
    }
    raise UserError(f"{folder}: this run {ended.get(status, f'ended as {status!r}')}")


def status_of(record: Mapping[str, Any]) -> str:
    """running, done, failed, interrupted; or killed, where `run.json` says that it is running and
    its process is gone. Of a run on another machine only what it says is known."""
    status = str(record["status"])
    return "killed" if status == "running" and has_ended(record) else status


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Differences between two runs, besides the recipe, that affect the last digits of results;
    each like `device cuda, not cpu`.

    before, now: versions and hardware, as `run.json` and the store's entries have them.
    """
    found = []
    for text, *path in (
        ("{0} thread{1} (OMP_NUM_THREADS={0})", "hardware", "threads"),
        ("{} rank{}", "hardware", "ranks"),
        ("device {}", "device"),
        ("{}", "hardware", "gpu"),
        ("{}", "hardware", "cpu"),
        ("torch {}", "versions", "torch"),
    ):
        old, new = (_at(facts, path) for facts in (before, now))
        if None not in (old, new) and old != new:
            found.append(f"{text.format(old, 's' * (old != 1))}, not {new}")
    return found


def _at(facts: Any, path: Sequence[str]) -> Any:
    for name in path:
        facts = facts.get(name) if isinstance(facts, Mapping) else None
    return facts


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and dirtiness of the checkout that tina-kit runs from; None if installed."""

    def git(*words: str) -> str:
        # Without locks: if git is killed, it would leave a lock in the user's checkout.
        command = ["git", "--no-optional-locks", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # fails if tina-kit is merely installed
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _hardware(device: torch.device) -> dict[str, Any]:
    import torch

    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        facts["cpu"] = next((x.split(":")[1].strip() for x in lines if "model name" in x), "")
    return facts

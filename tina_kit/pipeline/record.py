"""`run.json`: everything that a reader needs to trust or repeat a run."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tina_kit
from tina_kit.api import UserError
from tina_kit.pipeline.logs import now
from tina_kit.store.files import read_json

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
        "command": list(command),
        "name": plan.recipe.core.name,
        "key": plan.key,
        "seeds": list(plan.recipe.core.seeds),
        "device": str(runtime.device),
        "precision": runtime.precision,
        "store": str(plan.store.root),
        "tina_kit": tina_kit.__version__,
        "plugins": list(plugins),
        "components": plan.recipe.facts(),
        "versions": {"python": platform.python_version(), **_versions()},
        "git": _git(Path(tina_kit.__file__).parent),
        "hardware": _hardware(runtime.device),
        "data": {
            "classes": list(classes.names),
            "superclasses": None if classes.superclasses is None else list(classes.superclasses),
        },
        "stages": [],
    }


def read_record(folder: Path) -> dict[str, Any]:
    """`run.json` of a finished run. Raises UserError if `folder` has no finished run."""
    try:
        record = read_json(folder / "run.json")
        status = record["status"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{folder}: this is no run folder (it has no readable run.json); `tina-kit run` prints "
            "the one that it makes"
        ) from None
    if status != "done":
        raise UserError(f"{folder}: this run is not done but {status}; run its recipe again")
    return dict(record)


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
        command = ["git", "-C", str(folder), *words]
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

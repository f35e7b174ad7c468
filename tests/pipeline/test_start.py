"""Generating a p-Model imports torch and what the recipe's own components need, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch._dynamo", "torchvision", "timm", "open_clip", "matplotlib", "scipy", "rich", "PIL")
CODE = """
import json, sys
from tina_kit.cli.app import invoke
import tina_kit
named = ["--classes", "red circle,blue star"]
assert invoke(["generate", sys.argv[1], *named, "-o", sys.argv[2]]) == 0
tina_kit.load(sys.argv[2])
from tina_architectures.options import ResNet20Options
from tina_architectures.resnet20 import ResNet20
ResNet20(ResNet20Options()).layout(3)
print(json.dumps(list(sys.modules)))
"""


@pytest.mark.slow
def test_generate_imports_nothing_heavy_but_torch(finished, tmp_path: Path) -> None:
    _, store, folder = finished
    words = [sys.executable, "-c", CODE, str(folder), str(tmp_path / "mine.safetensors")]
    env = {**os.environ, "TINA_KIT_STORE": str(store)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    modules = json.loads(done.stdout.splitlines()[-1])
    assert "torch" in modules
    assert set(HEAVY) & set(modules) == set()

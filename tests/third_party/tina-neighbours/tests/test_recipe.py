"""The recipe runs at smoke size, from a Parquet file to a table and to a p-Model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from pictures import table, write

RECIPE = Path(__file__).parents[1] / "recipes" / "neighbours.yaml"


def call(folder: Path, *words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tina_kit", *words],
        env={**os.environ, "TINA_KIT_STORE": str(folder / "store")},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_recipe_runs_and_generates_for_any_names(tmp_path: Path) -> None:
    shutil.copy(RECIPE, tmp_path)
    write(tmp_path / "pictures.parquet", table(each=12))  # beside the recipe, which names it
    printed = call(tmp_path, "run", RECIPE.name, "--profile", "smoke")
    assert "nearest-average" in printed and "oracle" in printed
    [folder] = (tmp_path / "runs" / "neighbours").iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert {"nearest-average", "oracle"} <= {row["generator"] for row in results["generators"]}
    assert {"zoo", "evaluate"} <= set((folder / "stage_seconds.txt").read_text().split())
    asked = ["--generator", "nearest-average", "--classes", "blue disc, mauve ring"]
    call(tmp_path, "generate", folder, *asked, "-o", "mine.safetensors")
    assert (tmp_path / "mine.safetensors").stat().st_size > 4000

"""The recipe runs at smoke size, from a Parquet file to a table and to a p-Model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pictures import table, write

RECIPE = Path(__file__).parents[1] / "recipes" / "neighbours.yaml"


def test_the_recipe_runs_and_generates_for_any_names(call: Any, tmp_path: Path) -> None:
    shutil.copy(RECIPE, tmp_path)
    write(tmp_path / "pictures.parquet", table(each=12))  # beside the recipe, which names it
    done = call("run", RECIPE.name, "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert "nearest-average" in done.stdout and "oracle" in done.stdout
    [folder] = (tmp_path / "runs" / "neighbours").iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert {"nearest-average", "oracle"} <= {row["generator"] for row in results["generators"]}
    assert {"zoo", "evaluate"} <= set((folder / "stage_seconds.txt").read_text().split())
    asked = ["--generator", "nearest-average", "--classes", "blue disc, mauve ring"]
    done = call("generate", folder, *asked, "-o", "mine.safetensors")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine.safetensors").stat().st_size > 4000

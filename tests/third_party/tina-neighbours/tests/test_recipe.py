"""The recipe runs at smoke size, from a Parquet file to a table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pictures import table, write

RECIPE = Path(__file__).parents[1] / "recipes" / "neighbours.yaml"


def test_the_recipe_runs(tmp_path: Path) -> None:
    pictures = write(tmp_path / "pictures.parquet", table(each=12))
    words = ["run", RECIPE, "--profile", "smoke", "--set", f"dataset.file={pictures}"]
    done = subprocess.run(
        [sys.executable, "-m", "tina_kit", *words, "--output", tmp_path / "runs"],
        env={**os.environ, "TINA_KIT_STORE": str(tmp_path / "store")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "nearest-average" in done.stdout and "oracle" in done.stdout
    [times] = (tmp_path / "runs").rglob("stage_seconds.txt")
    assert {"zoo", "evaluate"} <= set(times.read_text().split())

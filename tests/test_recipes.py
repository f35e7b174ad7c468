"""Every shipped recipe runs at smoke size, from images to tables and plots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import plan_of

ROOT = Path(__file__).parents[1] / "recipes"
RECIPES = sorted(ROOT.rglob("*.yaml"))
# Caltech's own class names are what the shipped descriptions are of.
ON_CALTECH = {"fig6c"}
SHAPES = ("dataset={use: shapes, train: 20, test: 10}", "tasks.classes=5")
DATA = Path(os.environ.get("TINA_KIT_DATA", "none"))


def sets_for(path: Path, plain: str) -> list[str]:
    """Images that need no data, and names embedded without a model, where the recipe does not
    hang on others."""
    sets = [] if path.stem in ON_CALTECH else [*SHAPES]
    if "mini-clip" not in plain and path.stem not in ON_CALTECH:
        sets.append("conditioner={use: hashed-ngrams}")
    if "unseen-classes" in plain:
        sets.append("tasks.similarity={use: hashed-ngrams}")
    return sets


@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_runs_at_smoke_size(path: Path, tmp_path: Path) -> None:
    from tina_kit.pipeline.run import Run

    if path.stem in ON_CALTECH and not (DATA / "caltech101").is_dir():
        pytest.skip("TINA_KIT_DATA names no folder with caltech101")
    plan = plan_of(path, tmp_path / "store", profile="smoke", sets=sets_for(path, path.read_text()))
    run = Run.start(plan, tmp_path / "runs", [])
    results = run.execute()
    assert {row["generator"] for row in results.rows} > {"classifier-selection", "chance"}
    assert len(results.studies) == len(plan.recipe.studies)
    for name, report in results.studies.items():
        assert report.rows
        assert (run.folder / "plots" / f"{name}.png").stat().st_size > 5000
        assert (run.folder / "plots" / f"{name}.svg").is_file()
        assert report.title in (run.folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_has_every_profile(path: Path) -> None:
    from tina_kit.recipe.load import profiles_of, source_of

    assert set(profiles_of(source_of(path))) == {"smoke", "laptop", "paper"}


@pytest.mark.parametrize("profile", ["laptop", "paper"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_whatever_inherits_to_go_on_has_the_size_of_its_ancestor(path: Path, profile: str) -> None:
    from tina_kit.plugins import discover
    from tina_kit.recipe import load_recipe

    rows = load_recipe(path, discover(), profile=profile).generators
    options = {row.name: row.component.options for row in rows}
    for row in rows:
        few_shot = getattr(row.component.options, "prompts", "text") == "image"
        for name in row.component.rows().values() if few_shot else ():
            sizes = [(o.hidden_size, o.depth, o.heads) for o in (options[name], options[row.name])]
            assert sizes[0] == sizes[1]
    tinas = [row for row in rows if row.component.entry.component.name == "tina-dit"]
    if profile == "paper":
        paper = [
            r
            for r in tinas
            if r.component.child("tokenizer").entry.component.name == "layer-chunks"
        ]
        assert paper
        for row in paper:
            o = row.component.options
            assert (o.learning_rate, o.clip, o.sampling_steps) == (4e-4, 0.1, 1000)
            assert row.component.children["augmentations"]

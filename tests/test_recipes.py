"""Every shipped recipe runs at smoke size, from images to tables and plots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import plan_of
from tina_kit.recipe import NamedComponent
from tina_kit.recipe.load import profiles_of, source_of

ROOT = Path(__file__).parents[1] / "recipes"
RECIPES = sorted(ROOT.rglob("*.yaml"))
# Caltech's own class names are what the shipped descriptions are of.
ON_CALTECH = {"fig6c"}
SHAPES = ("dataset={use: shapes, train: 8, test: 4}", "tasks.classes=5")
DATA = Path(os.environ.get("TINA_KIT_DATA", "none"))


def sets_for(path: Path) -> list[str]:
    """Images that need no data, and names embedded without a model, where the recipe does not
    hang on others."""
    plain = source_of(path).plain()
    sets = [] if path.stem in ON_CALTECH else [*SHAPES]
    if plain["conditioner"]["use"] != "mini-clip" and path.stem not in ON_CALTECH:
        sets.append("conditioner={use: hashed-ngrams}")
    if "similarity" in plain["tasks"]:
        sets.append("tasks.similarity={use: hashed-ngrams}")
    return sets


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What several recipes have in common, such as images, is computed once."""
    return tmp_path_factory.mktemp("store")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_runs_at_smoke_size(path: Path, store: Path, tmp_path: Path) -> None:
    from tina_kit.pipeline.run import Run

    if path.stem in ON_CALTECH and not (DATA / "caltech101").is_dir():
        pytest.skip("TINA_KIT_DATA names no folder with caltech101")
    plan = plan_of(path, store, profile="smoke", sets=sets_for(path))
    run = Run.start(plan, tmp_path / "runs", [])
    results = run.execute()
    assert {row["generator"] for row in results.rows} > {"classifier-selection", "chance"}
    assert len(results.studies) == len(plan.recipe.studies)
    for name, report in results.studies.items():
        assert report.rows
        assert (run.folder / "plots" / f"{name}.png").stat().st_size > 5000
        assert (run.folder / "plots" / f"{name}.svg").is_file()
        assert report.title in (run.folder / "report.md").read_text(encoding="utf-8")


def test_every_shipped_recipe_has_every_profile() -> None:
    profiles = {path.stem: set(profiles_of(source_of(path))) for path in RECIPES}
    with_table = {
        "cifar_cnn",
        "cifar_resnet",
        "mini_imagenet_cnn",
        "mini_imagenet_resnet",
        "table2_cifar",
        "converged",
        "tokens_cifar",
    }
    usual = {"smoke", "laptop", "paper"}
    assert profiles == {
        name: usual | ({"clip-table"} if name in with_table else set()) for name in profiles
    }


def test_a_generator_for_image_prompts_has_the_size_of_its_ancestor() -> None:
    sizes: dict[tuple[str, str, str], set[tuple[int, int, int]]] = {}
    for path, profile in product(RECIPES, ("laptop", "paper")):
        options = {row.name: row.component.options for row in rows_of(path, profile)}
        for row in rows_of(path, profile):
            if getattr(options[row.name], "prompts", "text") == "image":
                line = [options[name] for name in (row.name, *row.component.rows().values())]
                sizes[path.stem, profile, row.name] = {
                    (o.hidden_size, o.depth, o.heads) for o in line
                }
    assert sizes and [row for row, found in sizes.items() if len(found) > 1] == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_paper_profile_has_the_paper_s_tina(path: Path) -> None:
    rows = [row.component for row in rows_of(path, "paper")]
    tinas = [row for row in rows if row.entry.component.name == "tina-dit"]
    chunks = [r for r in tinas if r.child("tokenizer").entry.component.name == "layer-chunks"]
    assert chunks
    for tina in chunks:
        o = tina.options
        assert (o.learning_rate, o.clip, o.sampling_steps) == (4e-4, 0.1, 1000)
        assert tina.children["augmentations"]


def rows_of(path: Path, profile: str) -> Sequence[NamedComponent]:
    """The generators of a recipe with a profile."""
    from tina_kit.plugins import discover
    from tina_kit.recipe import load_recipe

    return load_recipe(path, discover(), profile=profile).generators

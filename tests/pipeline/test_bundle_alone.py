"""A bundle of a shipped recipe gives its run's p-Models to the last bit where nothing else is: no
data, no store, no network, no settings of the user."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import tina_kit
from tests.conftest import ROOT, plan_of
from tests.forked import Forked
from tests.pipeline import alone
from tina_kit.pipeline.run import Run

SHIPPED = {
    "quickstart": ["classifier-selection", "tina-dit"],
    # Its sentences are embedded by a network that comes as a package (extra `text`).
    "caltech_cnn": ["classifier-selection", "class-means", "tina-dit"],
}


@pytest.fixture
def folder(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> Path:
    """That of a finished run, with its store beside it."""
    if name == "caltech_cnn":
        return request.getfixturevalue("photographed")
    recipe, store = ROOT / "recipes" / f"{name}.yaml", tmp_path / "store"
    plan = plan_of(recipe, store, profile="smoke", sets=["evaluation.rejection=5"])
    Run.start(plan, tmp_path / "runs", ["tina-kit"]).execute()
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_bundle_alone_gives_the_run_s_p_models(
    name: str, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch
) -> None:
    monkeypatch.setenv("TINA_KIT_STORE", str(folder / "store"))
    [run_folder] = (folder / "runs").glob("*/*")
    run = tina_kit.open_run(run_folder)

    known = run.experiment().class_names
    asked = {each: [known[:3], known[4:14]] for each in SHIPPED[name]}
    asked["tina-dit"] += [[known[7], "a blue whale"], [known[5].upper(), known[2]]]
    here = tmp_path_factory.mktemp("elsewhere")
    (here / "home").mkdir()
    for each in SHIPPED[name]:
        tina_kit.bundle(run, here / f"{each}.tina", generator=each)
    made = {
        f"{each} {number}.safetensors": run.generator(each).generate(classes).content()
        for each, lists in asked.items()
        for number, classes in enumerate(lists)
    }

    kept = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS", "VIRTUAL_ENV")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    bundles = [f"{each}.tina" for each in SHIPPED[name]]
    away = folder.rename(folder.with_name(f"{folder.name}-away"))
    try:
        running = Forked(
            [json.dumps(asked), *bundles],
            cwd=here,
            env={**environment, "HOME": str(here / "home")},
            main=alone.main,
        )
        err = running.communicate()[1]
    finally:
        away.rename(folder)
    assert running.returncode == 0, err
    assert {file.name: file.read_bytes() for file in here.glob("*.safetensors")} == made
    assert len(made) == 2 * len(SHIPPED[name]) + 2

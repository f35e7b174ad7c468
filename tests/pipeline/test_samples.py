"""A study of several p-Models of a task: sampled once, used in several ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tina_kit.api import Study, Trial, UserError
from tina_kit.pipeline import samples
from tina_kit.pipeline.generating import generate
from tina_kit.pipeline.run import Run

SETS = [
    "studies=[{use: samples, generators: [tina-dit], numbers: [1, 2, 4], shots: [1, 5]}]",
    "generators.tina-dit.sampler=ddpm",
    "generators.tina-dit.sampling_steps=3",
]


def test_a_study_samples_each_p_model_once_for_all_of_its_curves(
    plan, tmp_path: Path, monkeypatch
) -> None:
    made, looked = [], []
    losses = samples.losses_of_samples
    monkeypatch.setattr(samples, "generate", lambda *a: made.append(a[6]) or generate(*a))
    monkeypatch.setattr(
        samples, "losses_of_samples", lambda data, *a: looked.append(data) or losses(data, *a)
    )
    plan = plan(sets=SETS)
    results = Run.start(plan, tmp_path / "runs", []).execute()
    assert made == [0, 1, 2, 3]
    # What chooses is labelled training images, 10 of each class, of which 5 are of the test split.
    assert [int(data.by_class.counts.min()) for data in looked] == [10, 10]
    rows = {(row["series"], row["x"]): row for row in results.studies["samples"].rows}
    curves = ["mean of probabilities", "best by 1 image a class", "best by 5 images a class"]
    assert set(rows) == {(s, n) for s in ("one p-Model", *curves) for n in (1, 2, 4)}
    main = next(r for r in results.rows if (r["generator"], r["split"]) == ("tina-dit", "ood"))
    assert all(rows["one p-Model", n]["p_acc"] == main["p_acc"] for n in (1, 2, 4))
    assert all(rows[curve, 1]["versus"]["mean"] == 0 for curve in curves)
    assert all(row["ci95"] and row["tasks"] == 6 for row in rows.values())
    [stage] = [stage for stage in plan.stages if stage.name == "evaluate/tina-dit samples"]
    assert stage.units == 6 * 4


def test_samples_of_a_task_differ_and_the_first_is_the_generators_own(finished, plan_with) -> None:
    experiment = plan_with.experiments[0]
    row = experiment.row(plan_with.recipe.generators[2])
    tasks = experiment.tasks["ood"]
    conditions = experiment.conditions.of_tasks(tasks)
    ready = row.ready()
    own = generate(ready, conditions, tasks, experiment.runtime.observer, 0)
    made = [
        generate(ready, conditions, tasks, experiment.runtime.observer, 0, "", n) for n in range(3)
    ]
    assert torch.equal(made[0], own)
    assert not torch.equal(made[1], own) and not torch.equal(made[1], made[2])


@pytest.fixture
def plan_with(finished):
    from tests.conftest import plan_of

    sets = ["generators.tina-dit.sampler=ddpm", "generators.tina-dit.sampling_steps=3"]
    return plan_of(*finished[:2], sets=sets)


def test_what_is_sampled_and_how_it_is_used_are_in_the_key(plan) -> None:
    def key(change: str = "") -> str:
        study = SETS[0].replace("[1, 2, 4]", change) if change else SETS[0]
        stages = plan(sets=[study, *SETS[1:]]).stages
        [stage] = [each for each in stages if each.name == "evaluate/tina-dit samples"]
        return stage.key

    assert key() == key() == key("[4, 2]")
    assert len({key(), key("[1, 2, 5]"), key("[1, 4]")}) == 3


@pytest.mark.parametrize(("samples", "shots"), [(0, 0), (2, -1)])
def test_trials_that_cannot_be_are_told(plan, monkeypatch, samples: int, shots: int) -> None:
    trial = Trial("a", 1, "tina-dit", samples=samples, shots=shots)
    plan = plan(sets=SETS)
    study = plan.studies["samples"].study
    monkeypatch.setattr(type(study), "trials", lambda *_: [trial])
    assert isinstance(study, Study)
    told = rf"studies\.samples: .*{samples} samples and {shots} shots"
    with pytest.raises(UserError, match=told):
        _ = plan.stages

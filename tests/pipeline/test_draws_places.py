"""What cannot be drawn or built is told with the place in the recipe that asks for it, once."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import torch

from tina_kit.api import UserError

STUDY = "studies=[{use: training-curves, generators: [tina-dit]}]"


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ("{use: unseen-classes, seen: 500}", "tasks: seen: 500 of 100 classes leave a shard empty"),
        ("{use: unseen-classes, seen: 5}", "tasks: .* 10 classes per task"),
        ("{classes: 101}", "tasks: 101 classes per task, but the data set has only 100"),
    ],
)
def test_what_cannot_be_drawn_is_told_with_its_place(plan, tasks: str, told: str) -> None:
    setting = f"tasks={tasks}"
    with pytest.raises(UserError, match=told) as caught:
        plan(sets=[setting]).stages  # noqa: B018
    assert str(caught.value).startswith(f"--set {setting}: ")


@pytest.mark.parametrize(
    ("part", "asked", "setting", "place"),
    [
        ("tina_datasets.samplers.BalancedPermutations", "seen", "", r"\S*tiny\.yaml:3:1"),
        ("tina_studies.curves.TrainingCurves", "", STUDY, f"--set {re.escape(STUDY)}"),
        ("tina_architectures.cnn.CNN", "imported", "zoo=.", r"\S*tiny\.yaml:4:1"),
    ],
    ids=["seen", "study", "zoo"],
)
def test_the_place_of_a_part_that_cannot_be_built_is_told_once(
    plan, monkeypatch: pytest.MonkeyPatch, part: str, asked: str, setting: str, place: str
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("these do not go together")

    archive = SimpleNamespace(tasks=torch.zeros(1, 4))
    monkeypatch.setattr("tina_kit.pipeline.imported.read", lambda *_, **__: archive)
    monkeypatch.setattr(f"{part}.__init__", refuse)
    made = plan(sets=[setting] if setting else [])
    with pytest.raises(UserError) as caught:
        if asked:
            getattr(made.experiments[0], asked)
        else:
            made.studies["training-curves"].trials  # noqa: B018
    assert re.fullmatch(f"{place}: these do not go together", str(caught.value))

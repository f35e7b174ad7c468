"""What a run has seen: the limit of similarity, unseen classes, and images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import RECIPE, personal_model, plan_of
from tina_kit.api import UserError
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.seen import AskedClass, Familiarity, limit_of


def on_circle(*degrees: float) -> torch.Tensor:
    """float32 `(N, 2)`: directions in a plane, of various lengths."""
    angle = torch.tensor(degrees).deg2rad()
    return torch.stack([angle.cos(), angle.sin()], 1) * (1 + torch.arange(len(degrees))[:, None])


def cosine(degrees: float) -> float:
    return float(torch.tensor(degrees, dtype=torch.float64).deg2rad().cos())


def test_the_limit_is_what_95_percent_of_the_classes_reach() -> None:
    # The nearest other class of the last is 90 degrees away, of all others 1 degree.
    few = [*range(18), 107]
    assert limit_of(on_circle(*few)) == pytest.approx(cosine(90), abs=1e-6)  # 18 of 19 are 94.7%
    many = [*range(19), 108]
    assert limit_of(on_circle(*many)) == pytest.approx(cosine(1), abs=1e-6)  # 19 of 20
    assert limit_of(on_circle(0, 60)) == pytest.approx(0.5, abs=1e-6)


def test_what_is_warned_of_lies_below_the_limit() -> None:
    def asked(name: str, *near: float) -> AskedClass:
        return AskedClass(name, None, not near, True, tuple(("fig", value) for value in near))

    told = Familiarity("text", 0.5, (asked("a"), asked("b", 0.5, 0.1), asked("c, d", 0.49)))
    assert told.warning.startswith("'c, d' (0.49): less similar to every seen class than 95%")
    assert list(told.lines) == [
        "seen in training: a",
        "b: not seen in training; nearest seen classes: fig (0.50), fig (0.10)",
        "'c, d': not seen in training; nearest seen classes: fig (0.49)",
    ]
    assert Familiarity.read(told.plain()) == told


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A finished run that was trained on half of the classes."""
    folder = tmp_path_factory.mktemp("unseen")
    tasks = "{use: unseen-classes, id: 12, ood: 6, tests: 2, shares: [40]}"
    text = RECIPE.replace("{id: 12, ood: 6}", tasks)
    (folder / "unseen.yaml").write_text(text)
    plan = plan_of(folder / "unseen.yaml", folder / "store")
    Run.start(plan, folder / "runs").execute()
    return plan.experiments[0]


def test_a_class_that_training_left_out_is_unseen(unseen: Experiment) -> None:
    names = unseen.class_names
    seen = unseen.seen.tolist()
    strange = next(index for index in range(len(names)) if index not in seen)
    asked = [names[seen[0]], names[strange].upper().replace(" ", "_"), "dog"]
    facts = personal_model(unseen, None, asked).metadata["seen"]["classes"]
    assert [c["seen"] for c in facts] == [True, False, False]
    assert [c["known"] for c in facts] == [names[seen[0]], names[strange], None]
    for told in facts[1:]:
        assert len(told["nearest"]) == 3
        assert {name for name, _ in told["nearest"]} <= {names[index] for index in seen}
    rows = unseen.conditions.rows
    best = torch.cosine_similarity(rows[[strange]], rows[unseen.seen]).max()
    assert facts[1]["nearest"][0][1] == pytest.approx(float(best), abs=1e-4)


def test_a_generator_that_has_no_row_for_a_class_refuses_it(unseen: Experiment) -> None:
    names, seen = unseen.class_names, unseen.seen.tolist()
    strange = next(index for index in range(len(names)) if index not in seen)
    with pytest.raises(
        UserError, match=f"classifier-selection has no classifier row for {names[strange]},"
    ):
        personal_model(unseen, "classifier-selection", [names[seen[0]], names[strange]])


def test_classes_in_no_id_task_are_told(tmp_path: Path) -> None:
    text = RECIPE.replace("{id: 12, ood: 6}", "{classes: 4, id: 3, ood: 3}")
    (tmp_path / "few.yaml").write_text(text)
    plan = plan_of(tmp_path / "few.yaml", tmp_path / "store")
    Run.start(plan, tmp_path / "runs").execute()
    experiment = plan.experiments[0]
    used = set(experiment.tasks["id"].flatten().tolist())
    asked = [next(i for i in range(100) if i in used), next(i for i in range(100) if i not in used)]
    names = [experiment.class_names[index] for index in asked]
    facts = Familiarity.read(personal_model(experiment, None, names).metadata["seen"])
    assert [c.seen for c in facts.classes] == [True, True]
    assert [c.in_tasks for c in facts.classes] == [True, False]
    assert f"seen in training, but in no ID task: {names[1]}" in facts.lines
    selected = personal_model(experiment, "classifier-selection", names)  # learns from no task
    assert all(c["in_tasks"] for c in selected.metadata["seen"]["classes"])


def test_the_library_refuses_what_the_command_line_refuses(unseen: Experiment) -> None:
    with pytest.raises(UserError, match=r"'a b' .* and 'A_B' .* are the same class name"):
        personal_model(unseen, None, ["a b", "A_B"])
    with pytest.raises(UserError, match="at least two classes"):
        personal_model(unseen, None, ["a b"])
    with pytest.raises(UserError, match="'<->' stands for an absent class"):
        personal_model(unseen, None, ["a b", "<->"])
    with pytest.raises(UserError, match=r"dog .*ask without --strict"):
        personal_model(unseen, None, [unseen.class_names[0], "dog"], strict=True)


SEEING = """\
import torch
from tina_kit.api import Component, Conditioner, Options, hookimpl

class SeeingOptions(Options):
    pass

class Seeing(Conditioner):
    '''The mean colour of an image's middle, against grey.'''
    modalities = ("text", "image")
    width = 3
    image_size = 16

    def __init__(self, options):
        pass

    def embed(self, prompts):
        return torch.tensor([[float(len(prompt)), 0, 0] for prompt in prompts])

    def embed_images(self, images):
        return images[..., 6:10, 6:10].float().mean((2, 3)) / 255 - 0.5

@hookimpl
def tina_kit_components():
    return [Component(kind="conditioner", name="seeing", target=f"{__name__}:Seeing",
                      options=f"{__name__}:SeeingOptions", summary="Mean colours.")]
"""


@pytest.mark.parametrize("prompts", ["text", "image"])
def test_images_are_compared_with_images_of_the_seen_classes(tmp_path: Path, prompts: str) -> None:
    """Whether or not the run has embedded its training images."""
    (tmp_path / "seeing.py").write_text(SEEING)
    text = RECIPE.replace("use: hashed-ngrams", "use: seeing")
    text = text.replace("    depth: 1\n", f"    depth: 1\n    prompts: {prompts}\n")
    (tmp_path / "seeing.yaml").write_text(f"{text}plugins: [seeing.py]\n")
    plan = plan_of(tmp_path / "seeing.yaml", tmp_path / "store")
    Run.start(plan, tmp_path / "runs").execute()
    experiment = plan.experiments[0]
    assert experiment.conditions.images.cached == (prompts == "image")
    train = experiment.images.read("train")
    first = [int((train.labels == label).nonzero()[0]) for label in range(100)]
    files = []
    for label in (3, 57):
        files.append(tmp_path / f"{label}.png")
        Image.fromarray(train.images[first[label]].permute(1, 2, 0).numpy()).save(files[-1])
    names = [experiment.class_names[3], "unheard of"]
    facts = personal_model(experiment, None, names, files).metadata["seen"]
    assert facts["by"] == "image" and [c["seen"] for c in facts["classes"]] == [True, False]
    for label, told in zip((3, 57), facts["classes"]):
        assert told["nearest"][0] == [experiment.class_names[label], 1.0]
    rows = experiment.conditions.encoder.untrained.embed_images(train.images[first])
    assert facts["limit"] == pytest.approx(limit_of(rows), abs=1e-4)

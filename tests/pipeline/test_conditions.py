"""Encoders that learn, images as prompts, and what nothing trained may see."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import RECIPE, plan_of
from tina_kit.api import Images
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.pictures import kept_as_prompts
from tina_kit.pipeline.stages.images import held_out

LEARNER = """\
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from tina_kit.api import Component, Conditioner, Options, Training, hookimpl

class LearnerOptions(Options):
    pass

class Learner(Conditioner):
    modalities = ("text", "image")
    learns = True
    width = 8

    def __init__(self, options):
        pass

    def fit(self, images, class_names, train):
        self.network = torch.nn.Linear(3, 8)
        self.seen = sorted(set(images.labels.tolist()))
        pixels = images.images.float().mean((2, 3)) / 255
        def loss(step, network):
            pick = torch.randint(len(pixels), (16,), generator=step.random)
            return (network(pixels[pick]) - 1).square().mean()
        train(self.network, loss, Training(steps=5, learning_rate=1e-2))

    def save(self, folder):
        tensors = {"w": self.network.weight.detach(), "b": self.network.bias.detach()}
        save_file({**tensors, "seen": torch.tensor(self.seen)}, folder / "learner.safetensors")

    def load(self, folder):
        tensors = load_file(folder / "learner.safetensors")
        self.network = torch.nn.Linear(3, 8)
        state = {"weight": tensors["w"], "bias": tensors["b"]}
        self.network.load_state_dict(state)

    def embed(self, prompts):
        codes = torch.tensor([[len(p), ord(p[0]), ord(p[-1])] for p in prompts]).float() / 100
        return self.network(codes).detach()

    def embed_images(self, images):
        return self.network(images.float().mean((2, 3)) / 255).detach()

@hookimpl
def tina_kit_components():
    return [Component(kind="conditioner", name="learner", target=f"{__name__}:Learner",
                      options=f"{__name__}:LearnerOptions", summary="Learns.")]
"""


@pytest.fixture
def learner(tmp_path: Path) -> Path:
    (tmp_path / "learner.py").write_text(LEARNER)
    path = tmp_path / "learner.yaml"
    path.write_text(RECIPE.replace("hashed-ngrams", "learner") + "plugins: [learner.py]\n")
    return path


def embedded(path: Path, store: Path, **options) -> tuple[str, torch.Tensor]:
    """The key of a run's conditions, and the conditions."""
    experiment = plan_of(path, store, **options).experiments[0]
    for stage in (experiment.images, experiment.conditions.encoder.stage):
        stage.ensure()
    experiment.conditions.text.ensure()
    return experiment.conditions.text.key, experiment.conditions.rows


def test_an_encoder_that_learns_is_the_same_whichever_seed_needs_it_first(learner, tmp_path):
    one = embedded(learner, tmp_path / "one", seeds=[0])
    two = embedded(learner, tmp_path / "two", seeds=[5])
    assert one[0] == two[0] and torch.equal(one[1], two[1])
    other = embedded(learner, tmp_path / "three", sets=["precision=bf16"])
    plain = embedded(learner, tmp_path / "three", sets=["precision=fp32"])
    assert other[0] != plain[0]


def test_a_tenth_of_each_class_is_kept_as_prompts_that_nothing_learns_from(learner, tmp_path):
    labels = torch.arange(3).repeat(25)
    kept = kept_as_prompts(labels)
    assert torch.bincount(labels[kept]).tolist() == [3, 3, 3]
    experiment = plan_of(learner, tmp_path / "store").experiments[0]
    conditions = experiment.conditions
    for stage in (experiment.images, conditions.encoder.stage, conditions.images):
        stage.ensure()
    conditions.text.ensure()
    labels = experiment.images.read("train").labels
    prompts = conditions.of_images(experiment.tasks["ood"], labels, seed=0)
    rows = conditions.image_rows[kept_as_prompts(labels)]
    found = (prompts.flatten(0, 1)[:, None] == rows).all(-1).any(1)
    assert found.all()


def test_several_images_of_a_class_prompt_with_their_mean(learner, tmp_path):
    experiment = plan_of(learner, tmp_path / "store", sets=["dataset.train=40"]).experiments[0]
    conditions = experiment.conditions
    for stage in (experiment.images, conditions.encoder.stage, conditions.images):
        stage.ensure()
    conditions.text.ensure()
    labels, tasks = experiment.images.read("train").labels, experiment.tasks["ood"]
    kept = kept_as_prompts(labels)
    one, all_four = (conditions.of_images(tasks, labels, 0, count) for count in (1, 4))
    for class_ in tasks.unique().tolist():
        rows = conditions.image_rows[kept & (labels == class_)]
        assert len(rows) == 4
        mean = rows.mean(0) / rows.mean(0).norm() * rows.norm(dim=1).mean()
        found = all_four[tasks == class_]
        torch.testing.assert_close(found, mean.expand_as(found))
    assert (one - all_four).abs().max() > 1e-3
    more = conditions.of_images(tasks, labels, 0, 7)
    torch.testing.assert_close(more, all_four)  # no image counts twice
    tasks = torch.tensor([[0, 1, -1]])
    padded = conditions.of_images(tasks, labels, 0, 3)
    assert torch.equal(padded[0, 2], conditions.padding) and padded.isfinite().all()


LARGER = """\
import torch
from tina_datasets.options import ShapesOptions
from tina_datasets.shapes import Shapes
from tina_kit.api import Component, hookimpl

class Larger(Shapes):
    larger_than = 32

    def load_larger(self, index, side):
        codes = index[:, None, None, None].expand(-1, 3, side, side)
        return codes.byte()

@hookimpl
def tina_kit_components():
    return [Component(kind="dataset", name="larger", target=f"{__name__}:Larger",
                      options="tina_datasets.options:ShapesOptions", summary="Of large files.")]
"""


@pytest.mark.parametrize("on", ["test", "validation"])
def test_a_conditioner_that_takes_larger_images_gets_them_from_the_files(
    learner, tmp_path, on
) -> None:
    (tmp_path / "larger.py").write_text(LARGER)
    wide = LEARNER.replace("width = 8", "width = 8\n    image_size = 40")
    wide = wide.replace(
        "embed_images(self, images):",
        "embed_images(self, images):\n"
        "        assert images.shape[1:] == (3, 40, 40)\n"
        "        return images[:, :, 0, 0].float().repeat(1, 3)[:, :8]\n",
    )
    wide = wide.replace(
        "self.seen = sorted(set(images.labels.tolist()))",
        "assert images.images.shape[1:] == (3, 40, 40)\n"
        "        self.seen = images.images[:, 0, 0, 0].tolist()",
    )
    (tmp_path / "learner.py").write_text(wide)
    text = learner.read_text().replace("learner.py]", "learner.py, larger.py]")
    learner.write_text(text.replace("use: shapes", "use: larger"))
    plan = plan_of(learner, tmp_path / "store", sets=[f"evaluation.on={on}"])
    experiment = plan.experiments[0]
    conditions = experiment.conditions
    for stage in (experiment.images, conditions.encoder.stage, conditions.images):
        stage.ensure()
    codes = conditions.image_rows[:, 0].long()
    labels = experiment.images.dataset.load("train").labels
    used = torch.ones_like(labels).bool() if on == "test" else ~held_out(labels)
    places = used.nonzero().squeeze(1)
    assert torch.equal(codes, places % 256)
    folder = conditions.encoder.stage.entry.folder
    (learned,) = folder.rglob("learner.safetensors")
    free = places[~kept_as_prompts(labels[used])]
    assert torch.equal(load_file(learned)["seen"], free % 256)
    plain = plan_of(learner, tmp_path / "store", sets=["dataset={use: shapes}"]).experiments[0]
    assert plain.conditions.encoder.side == {}
    assert conditions.encoder.side == {"side": 40}


def blind(experiment: Experiment) -> None:
    """Images become noise wherever nothing trained may look."""
    read = experiment.images.read

    def blinded(split):
        images = read(split)
        noise = torch.randint(0, 256, images.images.shape, dtype=torch.uint8)
        hidden = ~torch.isin(images.labels, experiment.seen)
        hidden = torch.ones_like(hidden) if split == "test" else hidden
        pixels = torch.where(hidden[:, None, None, None], noise, images.images)
        return Images(pixels, images.labels)

    experiment.images.read = blinded


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["{use: cnn, widths: [4, 6]}", "{use: resnet20}"])
def test_nothing_trained_sees_an_unseen_class_or_a_test_image(
    recipe, tmp_path: Path, architecture: str
) -> None:
    sets = [
        "tasks={use: unseen-classes, classes: 4, id: 6, ood: 4, tests: 4, shares: [0, 100]}",
        f"architecture={architecture}",
        "generators=[{use: taper-mixer, epochs: 1, expert_epochs: 1}, {use: class-means}]",
    ]
    fitted = []
    for name in ("plain", "blinded"):
        plan = plan_of(recipe, tmp_path / name, sets=[*sets, "precision=fp32"])
        experiment = plan.experiments[0]
        if name == "blinded":
            blind(experiment)
        stages = [experiment.images, experiment.generic, experiment.inputs.stage]
        stages += [experiment.conditions.text, *experiment.zoo.stages["id"]]
        stages += [experiment.row(row).stage for row in plan.recipe.generators]
        for stage in stages:
            stage.ensure()
        files = [
            file
            for stage in stages
            if stage.kind in ("generic", "zoo", "fit")
            for file in sorted(stage.entry.folder.rglob("*.safetensors"))
        ]
        fitted.append({(f.parent.name, f.name): load_file(f) for f in files})
    assert fitted[0].keys() == fitted[1].keys() and len(fitted[0]) >= 4
    for name, tensors in fitted[0].items():
        for key, tensor in tensors.items():
            assert torch.equal(tensor, fitted[1][name][key]), (name, key)

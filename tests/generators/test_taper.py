"""TAPER and TAPER-Mixer on features whose sign decides which of two experts is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from tina_generators.experts import MixtureLoss, mixed, train_experts
from tina_generators.options_compared import TaperMixerOptions, TaperOptions
from tina_generators.taper import Taper, TaperMixer
from torch import Tensor, nn

from tina_kit.api import (
    Architecture,
    Context,
    Layout,
    Parameter,
    Request,
    Step,
    Training,
    UserError,
    Zoo,
)

CLASSES, WIDTH, FEATURES = 8, 8, 8
POSITIVE, NEGATIVE = [0, 1, 2, 3], [4, 5, 6, 7]  # whose features are as they are, or mirrored
MIXER = TaperMixerOptions(
    hidden_size=16, epochs=10, tasks_per_step=4, batch_size=8, learning_rate=0.02
)
TAPER = TaperOptions(steps=30, batch_size=8, shard=5)


class Gain(Architecture):
    """logits = W (gain · features) + b: one shared parameter and a classifier."""

    def build(self, classes: int) -> nn.Module:
        raise NotImplementedError

    def layout(self, classes: int) -> Layout:
        return Layout(
            (
                Parameter("gain", (1,), layer="gain"),
                Parameter("weight", (classes, FEATURES), layer="fc", class_axis=0),
                Parameter("bias", (classes,), layer="fc", class_axis=0),
            )
        )

    def normalise(self, images: Tensor) -> Tensor:
        return images.float()

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        w = self.layout(classes).unflatten(vectors)
        x = inputs * w["gain"][:, None] * frozen["scale"]
        return torch.einsum("mbf,mcf->mbc", x, w["weight"]) + w["bias"][:, None]


class Learning:
    """Features are one-hot by class; fine-tuning gives the k-th shard the gain +1 or -1."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, float]] = []

    def sample(self, tasks: Tensor, size: int, random: torch.Generator):
        present = (tasks >= 0).sum(1, keepdim=True)
        targets = (torch.rand(len(tasks), size, generator=random) * present).long()
        classes = tasks.gather(1, targets)
        sign = torch.where(classes < 4, 1.0, -1.0)[..., None]
        return sign * nn.functional.one_hot(classes, FEATURES), targets

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        self.calls.append((start, tasks, epochs))
        tuned = start.clone()
        tuned[:, 0] = torch.tensor([1.0, -1.0])[: len(tasks)]
        return tuned


def train(module: nn.Module, loss: Callable[[Step, nn.Module], Tensor], training: Training) -> None:
    optimizer = torch.optim.Adam(module.parameters(), training.learning_rate)
    for index in range(training.steps):
        optimizer.zero_grad()
        loss(Step(index, torch.Generator().manual_seed(index)), module).backward()
        optimizer.step()


ALL = torch.arange(CLASSES)


def context(classes: Tensor = ALL, learning: Learning | None = None) -> Context:
    """classes: those with rows in the generic model, whose gain is 0: it knows nothing."""
    layout = Gain().layout(len(classes))
    rows = {
        "gain": torch.zeros(1),
        "weight": 4 * torch.eye(FEATURES)[classes],
        "bias": classes * 0.01,
    }
    return Context(
        architecture=Gain(),
        classes=3,
        class_count=CLASSES,
        width=WIDTH,
        padding=torch.full((WIDTH,), 9.0),
        generic=layout.flatten(rows),
        generic_classes=classes,
        frozen={"scale": torch.ones(())},
        device=torch.device("cpu"),
        train=train,
        learning=learning or Learning(),
        personalise=lambda tasks: pytest.fail("only a control may look"),
    )


def conditions(tasks: Tensor) -> Tensor:
    rows = torch.cat([torch.eye(CLASSES), torch.full((1, WIDTH), 9.0)])
    return rows[tasks]  # -1 is the padding prompt


def drawn(count: int, seed: int = 0) -> Tensor:
    """Tasks of three classes, each of one sign; every fourth has but two."""
    random = torch.Generator().manual_seed(seed)
    order = torch.rand(count, 4, generator=random).argsort(1)[:, :3]
    tasks = order + 4 * (torch.arange(count) % 2)[:, None]
    tasks[::4, 2] = -1
    return tasks


def zoo(tasks: Tensor) -> Zoo:
    return Zoo(tasks, conditions(tasks))


def fitted(generator: Taper | TaperMixer, tasks: Tensor, of: Context | None = None):
    torch.manual_seed(0)
    generator.setup(of or context())
    generator.fit(zoo(tasks))
    return generator


def accuracy(vectors: Tensor, tasks: Tensor) -> Tensor:
    """`(T,)`."""
    inputs, targets = Learning().sample(tasks, 40, torch.Generator().manual_seed(9))
    made = Gain().forward_many(vectors, inputs, tasks.shape[1], {"scale": torch.ones(())})
    made = made.masked_fill((tasks < 0)[:, None], -torch.inf)
    return (made.argmax(-1) == targets).float().mean(1)


def test_an_expert_has_its_shards_rows_and_the_generic_models_for_the_rest() -> None:
    classes = torch.tensor([0, 1, 2, 4, 6, 7, 5])  # an odd number, so that one shard is padded

    class Shifting(Learning):
        def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
            super().finetune(start, tasks, epochs)
            return start + torch.tensor([[10.0], [20.0]])

    learning = Shifting()
    of = context(classes, learning)
    experts = train_experts(of, 2, 2.5)
    ((start, shards, epochs),) = learning.calls  # one call: side by side
    assert shards.tolist() == [[0, 1, 2, 4], [6, 7, 5, -1]]
    assert epochs == 2.5
    assert Gain().layout(4).unflatten(start)["bias"][1, 3] == 0
    layout = Gain().layout(7)
    moved = layout.unflatten(experts - of.generic)
    torch.testing.assert_close(moved["gain"], torch.tensor([[10.0], [20.0]]))
    torch.testing.assert_close(moved["bias"][0], torch.tensor([10.0] * 4 + [0.0] * 3))
    torch.testing.assert_close(moved["weight"][1, :, 0], torch.tensor([0.0] * 4 + [20.0] * 3))


def test_more_experts_than_pairs_of_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"5 experts need at least two classes each.* at most 4"):
        train_experts(context(), 5, 1)


def test_a_mixture_mixes_shared_layers_and_rows_alike() -> None:
    layout = Gain().layout(CLASSES)
    experts = torch.randn(2, layout.size, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    tasks = torch.tensor([[3, 0, 6], [5, 6, 7]])
    made = mixed(context(), weights, experts, tasks)
    blend = torch.stack([0.25 * experts[0] + 0.75 * experts[1], experts[0]])
    torch.testing.assert_close(made, layout.take_classes(blend, tasks))


def test_the_mixer_learns_which_expert_is_right_and_keeps_to_it_on_new_tasks() -> None:
    mixer = fitted(TaperMixer(MIXER), drawn(32))
    tasks = drawn(16, seed=1)
    made = mixer.generate(Request(conditions(tasks), tasks))
    gain = made[:, 0]
    assert (gain[::2] > 0.5).all()
    assert (gain[1::2] < -0.5).all()
    assert accuracy(made, tasks).min() > 0.95


def test_padding_has_no_part_in_the_mixing_weights() -> None:
    mixer = fitted(TaperMixer(MIXER), drawn(8))
    tasks = torch.tensor([[1, 2, -1]])
    padded = mixer.generate(Request(conditions(tasks), tasks))
    short = mixer.generate(Request(conditions(tasks[:, :2]), tasks[:, :2]))
    torch.testing.assert_close(padded[:, 0], short[:, 0])
    other = torch.tensor([[5, 6, -1]])
    assert not torch.allclose(mixer.generate(Request(conditions(other), tasks)), padded)


def test_padding_has_no_part_in_the_loss() -> None:
    experts = torch.randn(
        2, Gain().layout(CLASSES).size, generator=torch.Generator().manual_seed(0)
    )
    loss = MixtureLoss(context(), experts, 8)
    weights = torch.tensor([[0.3, 0.7]])
    padded, short = (
        loss(weights, torch.tensor([task]), torch.Generator().manual_seed(1))
        for task in ([1, 2, -1], [1, 2])
    )
    torch.testing.assert_close(padded, short)


def test_a_class_without_a_row_is_never_answered() -> None:
    seen = torch.tensor([0, 1, 2, 4, 5, 6])
    tasks = torch.tensor([[0, 1, 2], [4, 5, 6]])
    mixer = fitted(TaperMixer(MIXER), tasks, context(seen))
    asked = torch.tensor([[7, 1, 2]])
    made = Gain().layout(3).unflatten(mixer.generate(Request(conditions(asked), asked)))
    assert made["bias"][0].isneginf().tolist() == [True, False, False]
    assert made["weight"][0, 0].eq(0).all()


def test_taper_learns_weights_of_each_id_tasks_own() -> None:
    tasks = drawn(12)
    taper = fitted(Taper(TAPER), tasks)
    made = taper.generate(Request(conditions(tasks), tasks))
    assert accuracy(made, tasks).min() > 0.95
    turned = taper.generate(Request(conditions(tasks), tasks.flip(0)))
    assert torch.equal(turned, made.flip(0))


def test_taper_has_no_answer_for_a_task_it_has_not_learned() -> None:
    tasks = torch.tensor([[0, 1, 2], [4, 5, 6]])
    taper = fitted(Taper(TAPER), tasks)
    assert Taper.id_only
    asked = torch.tensor([[0, 1, 2], [1, 0, 2], [4, 5, -1]])
    with pytest.raises(UserError, match=r"2 of 3 requested tasks .* classes \[1, 0, 2\]"):
        taper.generate(Request(conditions(asked), asked))


@pytest.mark.parametrize(("kind", "options"), [(TaperMixer, MIXER), (Taper, TAPER)])
def test_saved_and_loaded_it_generates_the_same(tmp_path: Path, kind, options) -> None:
    tasks = drawn(8)
    generator = fitted(kind(options), tasks)
    generator.save(tmp_path)
    again = kind(options)
    again.setup(generator.context)
    again.load(tmp_path)
    request = Request(conditions(tasks), tasks)
    assert torch.equal(again.generate(request), generator.generate(request))


def test_both_know_only_the_data_sets_classes() -> None:
    mixer = fitted(TaperMixer(MIXER), drawn(8))
    with pytest.raises(UserError, match="only supports the data set's own classes"):
        mixer.generate(Request(torch.zeros(1, 3, WIDTH), None))

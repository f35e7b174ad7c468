"""Images go through a frozen network in parts, of which a stage that is killed loses only one."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch

from tina_kit.api import Observer, StepInfo
from tina_kit.pipeline.stages import features as frozen
from tina_kit.pipeline.stages.features import through
from tina_kit.store import Draft
from tina_kit.store.checkpoint import Checkpoint

IMAGES = torch.arange(11, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "AT_ONCE", 2)
    monkeypatch.setattr(frozen, "TOGETHER", 4)


class Network:
    """Doubles; dies when it has seen so many batches."""

    def __init__(self, life: int = 100) -> None:
        self.life = life
        self.seen: list[int] = []

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        if len(self.seen) == self.life:
            raise KeyboardInterrupt
        self.seen.append(len(images))
        return 2 * images[:, :, 0, 0].double()


def test_every_image_has_its_row(tmp_path: Path) -> None:
    network = Network()
    rows = through(network, IMAGES, Draft(tmp_path, tmp_path), "rows", Observer())
    assert rows.dtype == torch.float32
    assert rows.tolist() == [[2.0 * index] * 3 for index in range(11)]
    assert network.seen == [2, 2, 2, 2, 2, 1]


def test_a_killed_pass_goes_on_after_its_last_whole_part(tmp_path: Path) -> None:
    draft, network, told = Draft(tmp_path, tmp_path), Network(), []
    with pytest.raises(KeyboardInterrupt):
        through(Network(life=5), IMAGES, draft, "rows", Observer())

    class Watch(Observer):
        def step(self, step: StepInfo) -> None:
            told.append((step.label, step.total, step.done))

    rows = through(network, IMAGES, draft, "rows", Watch())
    assert network.seen == [2, 1] and told[0] == ("rows", 11, 8)
    assert torch.equal(
        rows, through(Network(), IMAGES, Draft(tmp_path, tmp_path / "new"), "", Observer())
    )


def test_saved_parts_are_held_one_after_another(tmp_path: Path, monkeypatch) -> None:
    draft, held, load = Draft(tmp_path, tmp_path), [], Checkpoint.load
    before = through(Network(), IMAGES, draft, "rows", Observer())
    loaded: list[weakref.ref[torch.Tensor]] = []

    def counted(checkpoint: Checkpoint):
        held.append(sum(part() is not None for part in loaded))
        found = load(checkpoint)
        loaded.append(weakref.ref(found[0]["rows"]))
        return found

    monkeypatch.setattr(Checkpoint, "load", counted)
    assert torch.equal(through(Network(life=0), IMAGES, draft, "rows", Observer()), before)
    assert len(held) == 3 and max(held) <= 1

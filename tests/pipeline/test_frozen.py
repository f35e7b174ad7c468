"""Images go through a frozen network in parts, of which a stage that is killed loses only one."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest
import torch

from tina_kit.api import Observer, StepInfo
from tina_kit.pipeline.stages import features as frozen
from tina_kit.pipeline.stages.features import through
from tina_kit.store import Draft, NotFinite
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


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("rows", [(4, 2), (3, 3), (4,), ()], ids=str)
def test_saved_rows_that_do_not_fit_are_computed_again(
    tmp_path: Path, caplog, part: int, rows: tuple[int, ...]
) -> None:
    draft = Draft(tmp_path, tmp_path)
    before = through(Network(), IMAGES, draft, "rows", Observer())
    checkpoint = draft.checkpoint(f"rows {part}")
    checkpoint.save({"rows": torch.zeros(rows)}, {})
    assert torch.equal(through(Network(), IMAGES, draft, "rows", Observer()), before)
    assert "starting from scratch" in caplog.text


def test_damaged_rows_are_computed_again_and_counted_once(tmp_path: Path, caplog) -> None:
    draft, counts = Draft(tmp_path, tmp_path), []
    before = through(Network(), IMAGES, draft, "rows", Observer())
    path = draft.checkpoint("rows 1").path
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)

    class Watch(Observer):
        def step(self, step: StepInfo) -> None:
            counts.append(step.done)

    network = Network()
    assert torch.equal(through(network, IMAGES, draft, "rows", Watch()), before)
    assert network.seen == [2, 2] and set(counts) == {11}
    assert "does not match its hash" in caplog.text


def test_rows_that_are_not_finite_are_not_kept(tmp_path: Path) -> None:
    def network(images: torch.Tensor) -> torch.Tensor:
        return images[:, :, 0, 0].float() / 0

    with pytest.raises(NotFinite, match=r"^features test: what the network .* not finite: 'rows'"):
        through(network, IMAGES, Draft(tmp_path, tmp_path), "features test", Observer())
    assert not list(tmp_path.iterdir())


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

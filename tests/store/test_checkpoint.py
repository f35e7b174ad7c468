"""A checkpoint is read back as it was saved, or not at all and with a word in the log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tina_kit.store import Checkpoint, NotFinite

TENSORS = {
    "module.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "module.half": torch.ones(3, dtype=torch.bfloat16),
    "steps": torch.tensor(7),
    "none": torch.zeros(0, 4),
}
STATE = {"step": 3, "losses": [[1, 0.5]]}


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    checkpoint = Checkpoint(tmp_path / "train-0.safetensors")
    checkpoint.save(TENSORS, STATE)
    return checkpoint


def same(found: tuple[dict[str, torch.Tensor], dict] | None) -> bool:
    assert found is not None
    tensors, state = found
    return state == STATE and all(
        tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor)
        for name, tensor in TENSORS.items()
    )


def test_what_was_saved_is_read_back(saved: Checkpoint, caplog: pytest.LogCaptureFixture) -> None:
    assert same(saved.load()) and not caplog.records


def test_no_flipped_bit_passes_for_what_was_saved(saved: Checkpoint) -> None:
    content = saved.path.read_bytes()
    lost = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        saved.path.write_bytes(damaged)
        found = saved.load()
        lost += found is None
        assert found is None or same(found), place
    assert lost > 0.9 * len(content)  # blanks in the header may change without harm


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_not_used(saved: Checkpoint, part: float) -> None:
    content = saved.path.read_bytes()
    saved.path.write_bytes(content[: int(part * len(content))])
    assert saved.load() is None


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.write_bytes(b"no tensors"), "cannot be read"),
        (lambda path: save_file(TENSORS, path), "it has no sha256"),
        (lambda path: save_file(TENSORS, path, {"state": json.dumps(STATE)}), "it has no sha256"),
        (lambda path: save_file(TENSORS, path, {"sha256": "0"}), "it has no state"),
        (
            lambda path: save_file(TENSORS, path, {"sha256": "0", "state": "{}"}),
            "does not match its hash",
        ),
    ],
)
def test_what_is_not_used_is_named_and_removed(
    saved: Checkpoint,
    damage: Callable[[Path], object],
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(saved.path)
    assert saved.load() is None and not saved.path.exists()
    (record,) = caplog.records
    assert str(saved.path) in record.getMessage() and told in record.getMessage()
    assert "starting from scratch" in record.getMessage()


def test_one_checkpoint_is_not_taken_for_another(saved: Checkpoint, tmp_path: Path) -> None:
    other = tmp_path / "train-1.safetensors"
    shutil.copy(saved.path, other)
    assert Checkpoint(other).load() is None and saved.load() is not None


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_not_saved(saved: Checkpoint, value: float) -> None:
    broken = {**TENSORS, "module.weight": torch.tensor([1.0, value])}
    with pytest.raises(NotFinite, match=r"'module\.weight' has 1 \w+ among its 2 values"):
        saved.save(broken, STATE)
    assert same(saved.load())


def test_the_mask_of_an_attention_is_finite(saved: Checkpoint) -> None:
    mask = torch.full((3, 3), -torch.inf).triu(1)
    saved.save({"mask": mask}, {})
    found = saved.load()
    assert found is not None and torch.equal(found[0]["mask"], mask)

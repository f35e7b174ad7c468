"""Tensors are saved however they lie in memory."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from tina_kit.api import save_tensors


def test_tensors_come_back_however_they_lie_in_memory(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    tensors = {
        "turned": whole.t(),
        "row": whole[1],
        "same row": whole[1],
        "expanded": torch.ones(1, 2).expand(3, 2),
        "learned": torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
        "empty": torch.zeros(0, 3),
        "other empty": torch.zeros(0, 3),
    }
    path = tmp_path / "some.safetensors"
    save_tensors(path, tensors)
    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_facts_lie_beside_the_tensors(tmp_path: Path) -> None:
    save_tensors(tmp_path / "some.safetensors", {"w": torch.ones(1)}, {"parameters": 1})
    text = (tmp_path / "some.json").read_text()
    assert json.loads(text) == {"parameters": 1} and text.endswith("}\n")

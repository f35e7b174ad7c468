from pathlib import Path

import pytest
import torch
from tina_kit.api import UserError, save_tensors

from tensors_of import tensors_of


def test_each_tensor_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "some.safetensors"
    save_tensors(file, {"bias": torch.zeros(4), "weight": torch.zeros(4, 3)})
    tensors_of(file)
    assert capsys.readouterr().out == "bias  (4,)\nweight  (4, 3)\n"


def test_another_file_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name a .safetensors file"):
        tensors_of(tmp_path / "none.safetensors")

"""Checkpoints of others are read as tensors alone, and what is none is refused in words."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tina_kit.api import UserError, read_checkpoint


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_tensors_come_as_they_were_saved(tmp_path: Path, form: str) -> None:
    state = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2, dtype=torch.float16)}
    path = tmp_path / f"weights.{'safetensors' if form == 'safetensors' else 'pt'}"
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    found = read_checkpoint(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


def test_code_is_refused_and_not_run(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path, sprung = tmp_path / "weights.pt", tmp_path / "sprung"
    saved = io.BytesIO()
    torch.save({"model": Trap(sprung)}, saved)
    for content in (saved.getvalue(), *(pickle.dumps(Trap(sprung), n) for n in range(6))):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"weights\.pt: it is damaged or (holds more|no ch)"):
            read_checkpoint(path)
    assert not sprung.exists() and not recwarn.list


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_scripted_modules_are_refused_in_our_own_words(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / "script.pt")
    with pytest.raises(UserError, match=r"script\.pt: it .* more than tensors, and code"):
        read_checkpoint(tmp_path / "script.pt")


@pytest.mark.parametrize("name", ["no.pt", "no.safetensors"])
def test_a_file_that_cannot_be_read_is_told_as_such(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: cannot be read: No such file"):
        read_checkpoint(tmp_path / name)


def test_the_systems_own_trouble_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch) -> None:
    def failing(error: Exception) -> Callable[..., None]:
        def load(*_: object, **__: object) -> None:
            raise error

        return load

    monkeypatch.setattr(torch, "load", failing(PermissionError(13, "Permission denied")))
    with pytest.raises(UserError, match=r"a\.pt: cannot be read: Permission denied$"):
        read_checkpoint(tmp_path / "a.pt")
    monkeypatch.setattr(torch, "load", failing(MemoryError()))
    with pytest.raises(MemoryError):
        read_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", b"hello", b"\x80\x04junk", b"PK\x03\x04", b"\x80\x02."]
)
def test_what_is_no_checkpoint_is_refused_without_torchs_advice(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"broken\{suffix}: it (is damaged|cannot be)") as caught:
        read_checkpoint(path)
    assert "weights_only" not in str(caught.value) and not recwarn.list

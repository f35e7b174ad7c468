"""What asks for more memory than there is is told by its options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import plan_of
from tina_kit.api import TinaKitError, UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline.memory import explaining_memory

MUCH = 2**50  # numbers: four PiB


def torch_fails() -> None:
    torch.empty(MUCH)


def torch_overflows() -> None:
    torch.empty(2**40, 2**40)


def numpy_fails() -> None:
    np.empty(MUCH, dtype=np.float32)


def numpy_overflows() -> None:
    np.empty((2**40, 2**40))


def python_fails() -> None:
    raise MemoryError


def cuda_fails() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 PiB. GPU 0 has ...")


@pytest.mark.parametrize(
    ("fail", "size"),
    [
        (torch_fails, " (4.0 PiB requested)"),
        (torch_overflows, ""),
        (numpy_fails, " (4.00 PiB requested)"),
        (numpy_overflows, ""),
        (python_fails, ""),
        (cuda_fails, " (4.00 PiB requested)"),
    ],
)
def test_the_options_farthest_above_their_defaults_are_named(
    recipe: Path, tmp_path: Path, fail, size: str
) -> None:
    sets = ["architecture.widths=[160, 400]", "generic.batch_size=128", "dataset.train=100"]
    sets += ["generators.tina-dit.tokenizer.size=57600", "seed=1000000", "tasks.id=1001"]
    plan = plan_of(recipe, tmp_path / "store", sets=sets)
    with pytest.raises(UserError) as told, explaining_memory(plan.recipe, "fit/tina-dit"):
        fail()
    assert str(told.value) == (
        f"{recipe}: fit/tina-dit: not enough memory{size}. Lower options far above their default: "
        "generators.tina-dit.tokenizer.size: 57600; architecture.widths: (160, 400); "
        "generic.batch_size: 128"
    )


def test_other_errors_pass(recipe: Path, tmp_path: Path) -> None:
    plan = plan_of(recipe, tmp_path / "store")
    for error in (RuntimeError("shapes differ"), TinaKitError("not enough memory")):
        with pytest.raises(type(error)) as told, explaining_memory(plan.recipe, "fit"):
            raise error
        assert told.value is error


def test_without_a_large_option_the_machine_is_too_small(recipe: Path, tmp_path: Path) -> None:
    plan = plan_of(recipe, tmp_path / "store")
    remedy = "Choose a smaller recipe or a larger machine"
    with pytest.raises(UserError, match=remedy), explaining_memory(plan.recipe, "fit"):
        raise MemoryError


@pytest.mark.parametrize(
    "key",
    [
        *("generators.tina-dit.hidden_size", "generators.tina-dit.batch_size", "tasks.id"),
        *("generators.tina-dit.tokenizer.size", "architecture.widths", "conditioner.width"),
        *("dataset.train", "generic.epochs", "generic.batch_size", "finetune.batch_size"),
        *("finetune.shard", "evaluation.batch_size", "evaluation.id_tasks", "tasks.classes"),
    ],
)
def test_no_option_can_be_as_large_as_no_machine_is(recipe: Path, key: str, capsys) -> None:
    value = "[10000000000, 4]" if key == "architecture.widths" else "10000000000"
    assert invoke(["validate", str(recipe), "--set", f"{key}={value}"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: --set {key}={value}: {key}") and "less than or equal to" in told


def test_a_run_that_needs_too_much_is_one_message(recipe: Path, tmp_path: Path, capsys) -> None:
    # Four PiB of weights.
    sets = ["generators.tina-dit.hidden_size=65536", "generators.tina-dit.depth=1000"]
    words = [word for text in sets for word in ("--set", text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tina_generators.tina.TinaTransformer", lambda *_: torch_fails())
        assert invoke(["run", str(recipe), "--output", str(tmp_path / "runs"), *words]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "fit/tina-dit: not enough memory (4.0 PiB requested)" in told
    assert "generators.tina-dit.depth: 1000; generators.tina-dit.hidden_size: 65536" in told

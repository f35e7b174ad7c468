"""Tina's transformer without diffusion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tina_generators.options import HypernetworkOptions, TinaDiTOptions

from tina_kit.api import Request


@pytest.mark.slow
def test_it_learns_the_pairs_in_one_step(world) -> None:
    generator, data = world.fitted(kind="hypernetwork", steps=200), world.zoo()
    made = generator.generate(Request(data.conditions, None))
    assert world.weights_error(generator, made, data.vectors) < 0.2


def test_there_is_nothing_random_about_its_answers(world) -> None:
    generator, data = world.fitted(kind="hypernetwork"), world.zoo()
    made = [generator.generate(Request(data.conditions[:3], None, seed)) for seed in (0, 1)]
    assert torch.equal(*made)


def test_it_asks_its_network_once_with_no_tokens_but_zeros(world) -> None:
    generator, data = world.fitted(kind="hypernetwork"), world.zoo()
    calls = []
    generator.network.register_forward_pre_hook(lambda _, arguments: calls.append(arguments))
    generator.generate(Request(data.conditions[:3], None))
    ((tokens, level, *_),) = calls
    assert not tokens.any()
    assert level.eq(1).all()


@pytest.mark.parametrize("tokenizer", ["class-rows", "layer-chunks"])
def test_a_saved_one_answers_the_same_for_fewer_classes_too(world, tmp_path: Path, tokenizer):
    zoo = world.zoo(smallest=2)
    generator = world.fitted(tokenizer, kind="hypernetwork", augment=True, zoo=zoo)
    generator.save(tmp_path)
    again = world.build(tokenizer, kind="hypernetwork")
    again.setup(generator.context)
    again.load(tmp_path)
    request = Request(world.zoo().conditions[:3, :3], None)
    assert torch.equal(again.generate(request), generator.generate(request))


def test_its_options_are_tinas_without_diffusion() -> None:
    more = set(TinaDiTOptions.model_fields) - set(HypernetworkOptions.model_fields)
    assert more == {
        "diffusion_steps",
        "drop_condition",
        "sampler",
        "sampling_steps",
        "guidance",
    }
    assert set(HypernetworkOptions.model_fields) < set(TinaDiTOptions.model_fields)

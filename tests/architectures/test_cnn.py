"""CNN-5K, one by one and many at once."""

from __future__ import annotations

import pytest
import torch
from tina_architectures.cnn import CNN, GlobalMean
from tina_architectures.options import CNNOptions

from tina_kit.zoo.assembly import assemble

CNN_5K = CNN(CNNOptions())


def images(*shape: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (*shape, 3, 32, 32), dtype=torch.uint8, generator=random)


def test_ten_classes_have_5370_parameters_all_generated() -> None:
    module = CNN_5K.build(10)
    assert sum(p.numel() for p in module.parameters()) == 5370
    assert CNN_5K.layout(10).size == 5370
    assert {p.name for p in CNN_5K.layout(10).parameters} == set(module.state_dict())


def test_widths_of_32_and_44_make_the_papers_14k() -> None:
    cnn_14k = CNN(CNNOptions(widths=(32, 44)))
    assert cnn_14k.layout(10).size == 13_986
    assert sum(p.numel() for p in cnn_14k.build(10).parameters()) == 13_986


def test_the_first_convolution_has_stride_two_and_the_second_one() -> None:
    module = CNN_5K.build(10)
    assert [m.stride for m in module if isinstance(m, torch.nn.Conv2d)] == [(2, 2), (1, 1)]


def test_many_at_once_give_the_logits_of_each_alone() -> None:
    layout, pixels = CNN_5K.layout(7), images(3, 4)
    modules = [CNN_5K.build(7) for _ in range(3)]
    vectors = torch.stack([layout.flatten(m.state_dict()) for m in modules]).detach()
    many = CNN_5K.forward_many(vectors, CNN_5K.arrange(CNN_5K.normalise(pixels)), 7, {})
    alone = torch.stack([m(CNN_5K.normalise(x)) for m, x in zip(modules, pixels)])
    torch.testing.assert_close(many, alone, atol=1e-5, rtol=1e-5)


def test_an_assembled_module_is_the_vector() -> None:
    vector = torch.randn(CNN_5K.layout(4).size) * 0.1
    module = assemble(CNN_5K, CNN_5K.build(9).state_dict(), vector, 4)
    pixels = CNN_5K.normalise(images(5))
    many = CNN_5K.forward_many(vector[None], CNN_5K.arrange(pixels)[None], 4, {})[0]
    torch.testing.assert_close(module(pixels), many, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 7), (1, 2)])
def test_images_of_any_size_are_arranged_in_blocks(size: tuple[int, int]) -> None:
    module = CNN_5K.build(3)
    x = torch.randn(2, 4, 3, *size)
    vector = CNN_5K.layout(3).flatten(module.state_dict())
    many = CNN_5K.forward_many(vector.expand(2, -1), CNN_5K.arrange(x), 3, {})
    torch.testing.assert_close(many, module(x.flatten(0, 1)).view(2, 4, 3), atol=1e-5, rtol=1e-5)


def test_the_gradient_of_the_pooling_has_no_layout_of_its_own() -> None:
    """One that is laid out unlike the activations makes fine-tuning twice as slow."""
    x = torch.randn(2, 5, 7, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    made = GlobalMean()(x)
    torch.testing.assert_close(made, x.mean((2, 3), keepdim=True))
    (gradient,) = torch.autograd.grad(made.sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(x, 1 / 42))
    assert gradient.stride()[2:] == (0, 0)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), 3e38])
def test_inference_in_bf16_has_the_digits_of_training(value: float) -> None:
    """Also with weights that make NaN, in either sign."""
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(2, CNN_5K.layout(10).size, generator=random)
    vectors[1, :3] = torch.tensor([value, -value, value])
    images = torch.randn(2, 5, 12, 9, 9, generator=random).bfloat16()
    for vector, batch in zip(vectors[:, None], images[:, None]):
        trained = CNN_5K.forward_many(vector, batch, 10, {})
        with torch.inference_mode():
            inferred = CNN_5K.forward_many(vector, batch, 10, {})
        assert torch.equal(trained.nan_to_num(nan=9e9), inferred.nan_to_num(nan=9e9))

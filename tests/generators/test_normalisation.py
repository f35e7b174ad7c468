"""Statistics of parameter vectors: exact inverses, alike for every class, any number of classes."""

from __future__ import annotations

import pytest
import torch
from tina_generators import normalisation
from tina_generators.normalisation import ConditionScale, Normalisation

from tina_kit.api import Layout, Parameter


def layout(classes: int) -> Layout:
    return Layout(
        (
            Parameter("conv", (4, 3), layer="conv"),
            Parameter("weight", (classes, 5), layer="fc", class_axis=0),
        )
    )


def vectors(count: int = 50) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    raw = torch.randn(count, layout(6).size, generator=random)
    raw[:, :12] = 5 + 0.01 * raw[:, :12]
    return raw


def fit(kind: str, raw: torch.Tensor) -> Normalisation:
    """Of tasks that have all their classes."""
    return Normalisation.fit(kind, raw, layout(6), torch.ones(len(raw), 6, dtype=torch.bool))


@pytest.mark.parametrize("kind", ["mean-layer-scale", "global-scale"])
def test_restoring_is_the_inverse(kind: str) -> None:
    fitted = fit(kind, vectors())
    again = Normalisation.from_tensors(kind, fitted.tensors())
    restored = again.restore(fitted.normalise(vectors(), layout(6)), layout(6))
    torch.testing.assert_close(restored, vectors(), atol=1e-4, rtol=1e-5)


def test_every_layer_has_mean_0_and_scale_1() -> None:
    flat = fit("mean-layer-scale", vectors()).normalise(vectors(), layout(6))
    for part in (flat[:, :12], flat[:, 12:]):
        assert float(part.mean()) == pytest.approx(0, abs=1e-3)
        assert float(part.square().mean().sqrt()) == pytest.approx(1, rel=1e-3)


def test_one_global_scale_moves_nothing() -> None:
    raw = vectors()
    flat = fit("global-scale", raw).normalise(raw, layout(6))
    assert float(flat.square().mean().sqrt()) == pytest.approx(1, rel=1e-4)
    torch.testing.assert_close(flat / flat[0, 0], raw / raw[0, 0])


def test_classes_share_their_statistics_so_that_any_number_fits() -> None:
    fitted = fit("mean-layer-scale", vectors())
    row = fitted.restore(torch.zeros(1, layout(9).size), layout(9))[0, 12:].view(9, 5)
    assert torch.equal(row, row[:1].expand(9, -1))


def test_a_layer_that_never_changes_stays_finite() -> None:
    same = vectors()[:1].expand(10, -1).clone()
    flat = fit("mean-layer-scale", same).normalise(same, layout(6))
    assert flat[:, :12].abs().max() < 1e-3
    assert flat.isfinite().all()


@pytest.mark.parametrize("kind", ["mean-layer-scale", "global-scale"])
def test_rows_of_absent_classes_are_not_counted(kind: str) -> None:
    raw = vectors()
    present = torch.arange(6) < torch.randint(2, 7, (50, 1))
    absent = ~present[:, layout(6).class_of_entries()]
    absent[:, :12] = False
    fitted = Normalisation.fit(kind, raw.masked_fill(absent, 1e3), layout(6), present)
    held = raw[:, 12:].view(50, 6, 5)[present]
    if kind == "global-scale":
        scale = torch.cat([raw[:, :12].flatten(), held.flatten()]).square().mean().sqrt()
        torch.testing.assert_close(fitted.scale["weight"], scale)
        return
    torch.testing.assert_close(fitted.mean["weight"][0], held.mean(0))
    spread = (held - held.mean(0)).square().mean().sqrt()
    torch.testing.assert_close(fitted.scale["weight"], spread)


def test_conditions_are_centred_and_scaled() -> None:
    conditions = torch.randn(20, 6, 8) * 0.05 + 3
    scaled = ConditionScale.fit(conditions.flatten(0, 1))(conditions)
    torch.testing.assert_close(scaled.mean((0, 1)), torch.zeros(8), atol=1e-4, rtol=0)
    assert float(scaled.square().mean().sqrt()) == pytest.approx(1, rel=1e-3)


def test_whitened_conditions_differ_equally_in_all_directions_that_classes_differ_in() -> None:
    random = torch.Generator().manual_seed(0)
    classes = torch.randn(40, 12, generator=random) * torch.logspace(-1, -3, 12)
    classes = torch.cat([classes, classes.new_zeros(40, 4)], dim=1) + 3
    often = torch.cat([classes, classes[:3].repeat(50, 1)])
    scale = ConditionScale.fit(often, whiten=True)
    white = scale(classes)
    spread = torch.linalg.svdvals(white - white.mean(0))
    plain = torch.linalg.svdvals(ConditionScale.fit(often)(classes))
    assert plain[0] > 50 * plain[11] and spread[0] < 20 * spread[11]
    # A direction in which no two classes differ says nothing.
    beside = classes.clone()
    beside[:, -4:] += torch.randn(40, 4, generator=random)
    torch.testing.assert_close(scale(beside), white, atol=1e-4, rtol=0)
    again = ConditionScale(**scale.tensors())
    assert torch.equal(again(classes), white)


@pytest.mark.parametrize("kind", ["mean-layer-scale", "global-scale"])
def test_a_large_zoo_is_worked_on_in_parts(monkeypatch, kind: str) -> None:
    present = torch.rand(50, 6, generator=torch.Generator().manual_seed(1)) < 0.7
    whole = Normalisation.fit(kind, vectors(), layout(6), present).tensors()
    monkeypatch.setattr(normalisation, "AT_ONCE", 7 * 4 * layout(6).size)
    parts = Normalisation.fit(kind, vectors(), layout(6), present).tensors()
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor)

"""The diffusion process against its formulas."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from tina_generators.diffusion import Diffusion

DIFFUSION = Diffusion(1000)


def test_beta_is_linear_from_1e_4_to_0_02() -> None:
    beta = 1 - DIFFUSION.alpha_bar[1:] / DIFFUSION.alpha_bar[:-1]
    torch.testing.assert_close(beta, torch.linspace(1e-4, 0.02, 1000), atol=1e-6, rtol=1e-3)
    assert DIFFUSION.alpha_bar[0] == 1


@pytest.mark.parametrize("steps", [2, 10, 50, 100, 1000, 4000])
def test_the_last_level_is_noise_at_any_number_of_levels(steps: int) -> None:
    assert Diffusion(steps).alpha_bar[-1] < 2e-3


def test_noise_is_added_with_the_square_roots_of_alpha_bar() -> None:
    clean, noise = torch.full((2, 3), 2.0), torch.full((2, 3), 3.0)
    noisy = DIFFUSION.add_noise(clean, torch.tensor([0, 500]), noise)
    alpha = float(DIFFUSION.alpha_bar[500])
    assert torch.equal(noisy[0], clean[0])
    torch.testing.assert_close(noisy[1], torch.full((3,), 2 * alpha**0.5 + 3 * (1 - alpha) ** 0.5))


@pytest.mark.parametrize("count", [1, 2, 10, 999, 1000])
def test_any_number_of_steps_goes_from_pure_noise_to_clean(count: int) -> None:
    levels = DIFFUSION.levels(count)
    assert (levels[0], levels[-1], len(levels)) == (1000, 0, count + 1)
    assert all(a > b for a, b in pairwise(levels))


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_a_perfect_network_is_reproduced_exactly_at_any_number_of_steps(eta, steps) -> None:
    target = torch.randn(4, 5)
    sample = DIFFUSION.sample(lambda x, j: target, lambda: torch.randn(4, 5), steps, eta)
    torch.testing.assert_close(sample, target, atol=1e-4, rtol=1e-4)


def test_eta_1_on_every_level_is_the_ddpm_posterior() -> None:
    """Ho et al. 2020, eq. 7: mean and variance of q(x_{j-1} | x_j, x_0)."""
    j, clean = 600, 0.7
    bar, before = (float(DIFFUSION.alpha_bar[i]) for i in (j, j - 1))
    alpha = bar / before
    x = 0.3

    class Stop(Exception):
        pass

    seen: list[torch.Tensor] = []

    def predict(current: torch.Tensor, level: int) -> torch.Tensor:
        seen.append(current)
        if len(seen) == 2:
            raise Stop
        return torch.full_like(current, clean)

    draws = iter([torch.full((100_000,), x), torch.randn(100_000)])
    diffusion = Diffusion(1000)
    diffusion.levels = lambda count: [j, j - 1, 0]  # type: ignore[method-assign]
    with pytest.raises(Stop):
        diffusion.sample(predict, lambda: next(draws), 2, eta=1.0)
    mean = (before**0.5 * (1 - alpha) * clean + alpha**0.5 * (1 - before) * x) / (1 - bar)
    variance = (1 - before) / (1 - bar) * (1 - alpha)
    assert float(seen[1].mean()) == pytest.approx(mean, abs=2e-3)
    assert float(seen[1].var()) == pytest.approx(variance, rel=0.03)


def test_ddim_draws_no_noise_after_the_first() -> None:
    draws = iter([torch.zeros(2)])
    DIFFUSION.sample(lambda x, j: x, lambda: next(draws), 10, eta=0.0)

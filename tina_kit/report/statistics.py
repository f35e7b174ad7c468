"""Means with 95% confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 10_000
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95% confidence interval; NaN bounds where one value cannot give any."""

    mean: float
    low: float
    high: float


def mean_estimate(values: Sequence[Array]) -> Estimate:
    """values: for each seed one number a task.

    One seed: Student's t-interval over tasks. Several: over the seeds' means, because tasks of one
    seed share their generic model and generator and are not independent draws of a run.
    """
    sample = values[0] if len(values) == 1 else np.array([seed.mean() for seed in values])
    mean = float(np.mean([seed.mean() for seed in values]))
    if len(sample) < 2:
        return Estimate(mean, math.nan, math.nan)
    half = t_quantile(len(sample) - 1) * float(sample.std(ddof=1)) / math.sqrt(len(sample))
    return Estimate(mean, mean - half, mean + half)


def t_quantile(freedom: int) -> float:
    """The two-sided 95% quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def gap_closed(value: Sequence[Array], low: Sequence[Array], high: Sequence[Array]) -> Estimate:
    """How much of the way from `low` to `high` the mean of `value` goes, in percent.

    All three hold, for each seed, one number for each of the same tasks. The interval is a
    percentile bootstrap over tasks (over tasks within seeds), seeded; NaN where there is no way
    to go.
    """
    whole = _ratio(*(np.concatenate(list(rows)) for rows in (value, low, high)))
    random = np.random.default_rng(0)
    draws = [random.integers(0, len(seed), (RESAMPLES, len(seed))) for seed in value]
    means = [
        np.mean([seed[draw].mean(1) for seed, draw in zip(rows, draws)], axis=0)
        for rows in (value, low, high)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = 100 * (means[0] - means[1]) / (means[2] - means[1])
    if not np.isfinite(ratios).all():
        return Estimate(whole, math.nan, math.nan)
    bounds = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(whole, float(bounds[0]), float(bounds[1]))


def _ratio(value: Array, low: Array, high: Array) -> float:
    way = high.mean() - low.mean()
    return float(100 * (value.mean() - low.mean()) / way) if way else math.nan

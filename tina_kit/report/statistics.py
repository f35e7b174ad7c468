"""Means with 95% confidence intervals, and tests of differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
NORMAL = 1.959963984540054  # the two-sided 95% quantile of the normal distribution
RESAMPLES = 10_000
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95% confidence interval; the bounds are NaN if there is only one value."""

    mean: float
    low: float
    high: float


def mean_estimate(values: Sequence[Array]) -> Estimate:
    """The mean with its confidence interval. values: for each seed one number per task.

    For one seed, Student's t-interval over tasks. For several, over the seeds' means: tasks of one
    seed share their generic model and generator, and are not independent.
    """
    mean = float(np.mean([seed.mean() for seed in values]))
    sample = _sample(values)
    if len(sample) < 2:
        return Estimate(mean, math.nan, math.nan)
    half = t_quantile(len(sample) - 1) * _standard_error(sample)
    return Estimate(mean, mean - half, mean + half)


def p_of_zero(values: Sequence[Array]) -> float:
    """The two-sided p-value of Student's t-test of a mean of zero, for the same values as
    `mean_estimate`: below 0.05 if zero is outside of its interval. NaN if there is only one value.
    """
    sample = _sample(values)
    if len(sample) < 2:
        return math.nan
    mean, error = float(sample.mean()), _standard_error(sample)
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    freedom = len(sample) - 1
    return max(0.0, 1 - _within(math.atan(abs(mean) / error / math.sqrt(freedom)), freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction for making so many tests; NaN stays, and is no test."""
    order = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected, least = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - rank)))
        corrected[place] = least
    return corrected


def _sample(values: Sequence[Array]) -> Array:
    """What counts as independent: the tasks of one seed, or the means of several."""
    return values[0] if len(values) == 1 else np.array([seed.mean() for seed in values])


def _standard_error(sample: Array) -> float:
    return float(sample.std(ddof=1)) / math.sqrt(len(sample))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share, in percent. trials: at least 1."""
    z2, share = NORMAL**2 / trials, successes / trials
    centre = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * share * (1 - share) + z2**2 / 4) / (1 + z2)
    return max(0.0, 100 * (centre - half)), min(100.0, 100 * (centre + half))


def t_quantile(freedom: int) -> float:
    """The two-sided 95% quantile of Student's t, for a whole number of degrees of freedom."""
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / √freedom
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if _within(middle, freedom) < LEVEL else (low, middle)
    return math.tan(middle) * math.sqrt(freedom)


def _within(angle: float, freedom: int) -> float:
    """P(|T| < √freedom · tan(angle)), by Abramowitz and Stegun's finite series (26.7.3, 26.7.4).
    SciPy has it as well, but `generate` would take half as long again to import it."""
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for power in range(2 + odd, freedom + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (power - 1) / power
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


def gap_closed(value: Sequence[Array], low: Sequence[Array], high: Sequence[Array]) -> Estimate:
    """The share of the gap from `low` to `high` that `value` closes, in percent.

    All three hold, for each seed, one number for each of the same tasks. The interval is a seeded
    percentile bootstrap: over tasks or, with several seeds, over seeds and the tasks of each. With
    two to four seeds there is none, since they have too few distinct resamples. NaN unless the
    lower bound of the gap's own interval is positive, since a share of a gap that may be zero is
    meaningless.
    """
    random = np.random.default_rng(0)
    seeds, tasks = len(value), len(value[0])
    runs = (
        random.integers(0, seeds, (RESAMPLES, seeds, 1)) if seeds > 1 else np.zeros((1, 1, 1), int)
    )
    draws = random.integers(0, tasks, (RESAMPLES, seeds, tasks))
    whole, bottom, top = (np.stack(list(rows)) for rows in (value, low, high))
    gains, gaps = whole - bottom, top - bottom
    some = [values[runs, draws].mean((1, 2)) for values in (gains, gaps)]
    tail = (1 - LEVEL) / 2
    # Check the table's own interval, too: with few tasks the bootstrap's is too narrow.
    if not mean_estimate(list(gaps)).low > 0 or np.quantile(some[1], tail) <= 0:
        return Estimate(math.nan, math.nan, math.nan)
    # If a resample's gap is not positive, its share is infinite.
    with np.errstate(over="ignore"):
        shares = 100 * some[0] / np.where(some[1] > 0, some[1], np.finfo(float).tiny)
    bounds = np.quantile(shares, [tail, 1 - tail]) if seeds not in (2, 3, 4) else (math.nan,) * 2
    return Estimate(float(100 * gains.mean() / gaps.mean()), float(bounds[0]), float(bounds[1]))

"""Rules about trainings that ended too early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tina_kit.report.diagnosis.finding import Finding, Findings
from tina_kit.report.facts import Curve, Facts
from tina_kit.report.results import PLUS
from tina_kit.report.statistics import Array
from tina_kit.report.table import interval

WORTH = 0.05
"""The share of the loss that another doubling of the steps must promise to take off."""
ENOUGH = 0.02
"""The steps that are suggested promise that doubling them takes off less than this share."""
_MOST = 8  # times the steps: nobody should extrapolate further
_POINTS = 16  # of a curve that can be judged


@dataclass(frozen=True)
class Promise:
    """steps: of the training; before, after: the mean loss in the second quarter and in the second
    half of the steps; gains: the shares of the loss that the last doubling took off and that the
    next one promises; suggested: a number of steps to try."""

    steps: int
    before: float
    after: float
    gains: tuple[float, float]
    suggested: int


def promise(points: Sequence[tuple[int, float]]) -> Promise | None:
    """What more steps promise, None if they promise little or that cannot be told from noise.

    The mean losses of the second half, of the quarter before and of the eighth before that show
    what the last two doublings of the steps took off, in logarithms, so that no loss falls below 0.
    Each further doubling is expected to take off as many times what the one before did.
    """
    if len(points) < _POINTS:
        return None
    steps, losses = np.array(points, dtype=float).T
    last = steps[-1]
    parts = [losses[(steps > last / n) & (steps <= 2 * last / n)] for n in (8, 4, 2)]
    first, before, after = (float(part.mean()) for part in parts)
    noise = math.hypot(*(_error(part) for part in parts[1:]))
    if not (after > 0 and before - after > 2 * noise):
        return None
    gain = math.log(before / after)
    ratio = min(gain / math.log(first / before), 1.0) if first > before else 1.0
    shares = [-math.expm1(-gain * ratio**number) for number in range(1, 10)]
    if shares[0] < WORTH:
        return None
    times = next((2**n for n, share in enumerate(shares) if share < ENOUGH), _MOST)
    suggested = int(last) * max(2, min(times, _MOST))
    return Promise(int(last), before, after, (1 - after / before, shares[0]), suggested)


def still_falling(facts: Facts) -> Findings:
    """A generator whose loss was still falling, with the steps that its curve suggests."""
    for curve in _one_for_all_seeds(facts.curves):
        name = curve.stage.removeprefix("fit/")
        found = promise(curve.points) if curve.stage.startswith("fit/") else None
        if found is None or name == facts.named(PLUS):
            continue
        remedy = f"Try about {found.suggested:,} steps"
        if facts.options(name).get("steps") == found.steps:
            remedy += f": --set generators.{name}.steps={found.suggested}"
        what = f"The loss of {name} was still falling when its training ended."
        yield Finding("still-falling", "note", what, _evidence(found), f"{remedy}.")


def undertrained(facts: Facts) -> Findings:
    """A generic model that more training would improve: measured where the recipe has a row
    `generic-plus`, otherwise as its training loss suggests."""
    name, epochs = facts.named(PLUS), facts.recipe.get("generic", {}).get("epochs")
    what = "The generic model is not trained to the end, so gains over it may be those of training."
    if name is not None:
        row = facts.row(name, facts.split) or {}
        gain = row.get("vs_selection")
        if gain and gain["ci95"] and gain["ci95"][0] > 0:
            more = interval(gain["mean"], gain["ci95"], sign=True)
            evidence = (
                f"Trained for longer ({name}), it changes classifier selection by {more} points."
            )
            remedy = (
                f"Raise generic.epochs ({epochs}) until {name} gains nothing, and until then read "
                "the column vs generic+."
            )
            yield Finding("generic-undertrained", "bad", what, evidence, remedy)
        return
    generic = [curve for curve in facts.curves if curve.stage == "generic"]
    for curve in _one_for_all_seeds(generic):
        if found := promise(curve.points):
            more_epochs = f"{epochs * found.suggested / found.steps:g}" if epochs else "more"
            remedy = (
                f"Try generic.epochs: {more_epochs}, or add a row {{use: {PLUS}}}, which measures "
                "what more training alone gives."
            )
            perhaps = "The generic model may not be trained to the end: its loss was still falling."
            yield Finding("generic-undertrained", "note", perhaps, _evidence(found), remedy)


def _evidence(found: Promise) -> str:
    took, promised = found.gains
    return (
        f"Doubling the steps to {found.steps:,} took {took:.0%} off the loss ({found.before:.3g} → "
        f"{found.after:.3g}, means of a quarter and of half of the steps); doubling them again "
        f"promises {promised:.0%}."
    )


def _error(values: Array) -> float:
    """The standard error of the mean of a curve's part, from how it jumps between neighbours."""
    if len(values) < 3:
        return math.inf
    return float(np.diff(values).std() / math.sqrt(2 * len(values)))


def _one_for_all_seeds(curves: Sequence[Curve]) -> list[Curve]:
    """The mean of the seeds' curves, for each training."""
    found: dict[tuple[str, int], list[Curve]] = {}
    for curve in curves:
        found.setdefault((curve.stage, curve.training), []).append(curve)
    means = []
    for same in found.values():
        alike = [each for each in same if len(each.points) == len(same[0].points)]
        losses = np.mean([[loss for _, loss in each.points] for each in alike], axis=0)
        points = [(step, float(loss)) for (step, _), loss in zip(same[0].points, losses)]
        means.append(Curve(same[0].stage, same[0].seed, same[0].training, points))
    return means

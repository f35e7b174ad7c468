"""Rules about what generators gain, and about p-Models that are none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tina_kit.report.diagnosis.finding import Finding, Findings
from tina_kit.report.facts import BASELINES, Facts
from tina_kit.report.results import GENERIC, ORACLE, SELECTION
from tina_kit.report.table import Row, interval

_FAR = 1.0  # points by which ID tasks must be ahead
_SHARE = 0.25  # and the share of the gain on ID tasks
_OFTEN = 0.1  # the share of p-Models that collapsed
_ONE, _OTHERS = 0.9, 0.05  # accuracy on the class that a p-Model always answers, and on the others


def overfitted(facts: Facts) -> Findings:
    """A generator that gains far more on the tasks whose p-Models it has learned from."""
    for name, bare in facts.bare.items():
        known, new = facts.row(name, "id"), facts.row(name, "ood")
        if bare in BASELINES or known is None or new is None:
            continue
        (seen, seen_half), (unseen, unseen_half) = _gain(known), _gain(new)
        ahead, doubt = seen - unseen, math.hypot(seen_half, unseen_half)
        if math.isnan(doubt) or ahead <= max(doubt, _FAR, _SHARE * abs(seen)):
            continue
        what = f"{name} has learned the zoo's tasks by heart rather than how names become p-Models."
        said = "gains" if "vs_selection" in known else "reaches"
        evidence = (
            f"It {said} {seen:.1f} ± {seen_half:.1f} points on ID tasks, but {unseen:.1f} ± "
            f"{unseen_half:.1f} on OOD tasks: {ahead:.1f} ± {doubt:.1f} less."
        )
        count = facts.recipe.get("tasks", {}).get("id")
        remedy = "More ID tasks help most"
        remedy += f" (tasks.id is {count:,})" if isinstance(count, int) else ""
        remedy += "; fewer steps, a smaller generator or augmentations may."
        yield Finding("overfitted", "bad", what, evidence, remedy)


def _gain(row: Row) -> tuple[float, float]:
    """The gain over selection, or else the p-Acc, and half of its interval, NaN without one."""
    gain: Mapping[str, Any] = row.get("vs_selection") or {
        "mean": row["p_acc"],
        "ci95": row["ci95"],
    }
    bounds = gain["ci95"]
    return gain["mean"], (bounds[1] - bounds[0]) / 2 if bounds else math.nan


def nothing_to_personalise(facts: Facts) -> Findings:
    """An oracle that is no better than classifier selection."""
    oracle, selection = facts.named(ORACLE), facts.named(SELECTION)
    if oracle is None or selection is None:
        return
    row, base = facts.row(oracle, facts.split), facts.row(selection, facts.split)
    gain = (row or {}).get("vs_selection")
    if row is None or base is None or not gain or not gain["ci95"] or gain["ci95"][0] > 0:
        return
    told = interval(gain["mean"], gain["ci95"], sign=True)
    tuning = facts.recipe.get("finetune", {})
    now = ", ".join(f"{key}: {tuning[key]}" for key in ("epochs", "learning_rate") if key in tuning)
    yield Finding(
        "nothing-to-personalise",
        "bad",
        "Fine-tuning on a task is not surely better than selecting its rows of the generic model, "
        "so there may be nothing here that a generator could learn.",
        f"{oracle} {row['p_acc']:.1f}, {selection} {base['p_acc']:.1f}: {told} points.",
        "Fine-tune for longer or with another learning rate"
        + (f" (finetune has {now})" if now else "")
        + "; take tasks whose classes are harder to tell apart, a smaller network, or an "
        "architecture of which more than the classifier is generated.",
    )


def collapsed(facts: Facts) -> Findings:
    """p-Models that give the same answer to every image."""
    shares = {}
    for name, seeds in facts.evaluations["counts"].items():
        tests = [seed[facts.split] for seed in seeds.values() if facts.split in seed]
        # The generic model may answer classes that are not the task's.
        if tests and facts.bare.get(name) != GENERIC:
            shares[name] = float(np.mean([_share_collapsed(counted) for counted in tests]))
    found = {name: share for name, share in shares.items() if share >= _OFTEN}
    if not found:
        return
    remedy = (
        "Look at their loss: if it jumped, lower the learning rate or clip gradients (clip); if it "
        "fell, more steps may be needed before parameters are precise enough."
    )
    if any(facts.bare.get(name) in BASELINES for name in found):
        remedy = (
            "It begins with the baselines: train the generic model for longer (generic.epochs) or "
            "with another learning rate, and the p-Models after it (finetune)."
        )
    *most, last = [f"{share:.0%} of {name}'s" for name, share in found.items()]
    often = f"{', '.join(most)} and {last}" if most else last
    yield Finding(
        "collapsed",
        "bad",
        f"{often} p-Models give one answer to nearly every image.",
        f"On {facts.split.upper()} tasks they have at least {_ONE:.0%} of one class's images "
        f"right and at most {_OTHERS:.0%} of all others.",
        remedy,
    )


def _share_collapsed(counted: Mapping[str, Sequence[Sequence[int]]]) -> float:
    correct, total = (np.array(counted[key], dtype=float) for key in ("correct", "total"))
    shares = np.divide(correct, total, out=np.zeros_like(total), where=total > 0)
    best, every = shares.argmax(1), np.arange(len(shares))
    others = total.sum(1) - total[every, best]
    right = correct.sum(1) - correct[every, best]
    return float(
        np.mean((others > 0) & (shares[every, best] >= _ONE) & (right <= _OTHERS * others))
    )

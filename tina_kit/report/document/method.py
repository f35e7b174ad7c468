"""What was done, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tina_kit.report.document.source import Source
from tina_kit.report.html import Markup, folded, pairs, paragraph, section
from tina_kit.report.results import ORACLE, SELECTION


def method(source: Source) -> Markup:
    parts = [(part.role, f"{part.name}: {part.summary}") for part in source.parts]
    return section(
        "What was done",
        *(paragraph(text) for text in _steps(source)),
        folded("All components", pairs(parts)),
    )


def _steps(source: Source) -> Iterator[str]:
    facts, recipe = source.facts, source.facts.recipe
    name = {part.role: part.name.rpartition("/")[2] for part in source.parts}
    classes, images = len(facts.classes), source.images
    trained = "" if images is None else f" on {sum(images.train):,} images"
    generic, tuning = recipe["generic"], recipe["finetune"]
    yield (
        f"A classifier over all {classes:,} classes of {name['data set']}, the generic model "
        f"({name['architecture']}), was trained for {_epochs(generic)}{trained}."
    )
    known, new = (_tasks(source, split) for split in ("id", "ood"))
    if recipe.get("zoo"):
        yield f"p-Models of {known or 'ID tasks'} were taken from a zoo that was made elsewhere."
    elif known:
        yield (
            f"It was fine-tuned for {_epochs(tuning)} on each of {_number(recipe)}ID tasks: small "
            "sets of classes, each of which gives a classifier for these alone, its p-Model. "
            "Together they are the zoo."
        )
    main = facts.main
    if main is not None:
        from_what = "the names of the classes" if main in facts.readers else "the classes"
        yield (
            f"From the ID tasks the generator {main} learned how to make a p-Model out of "
            f"{from_what}, embedded by {name['conditioner']}."
        )
    if new:
        what = "held-out training images" if source.validating else "test images"
        tested = "" if images is None else f" ({sum(images.test):,} of all classes)"
        yield (
            f"It was then asked for p-Models of {new}, sets of classes that it had not met, and "
            f"these were measured on the {what} of their classes{tested}. p-Acc is the share of "
            "right answers, averaged over tasks."
        )
    compared = []
    if selection := source.facts.named(SELECTION):
        compared.append(
            f"{selection}, the generic model limited to the classes of the task, which is the "
            "baseline to beat"
        )
    if oracle := source.facts.named(ORACLE):
        compared.append(
            f"{oracle}, fine-tuned on the images of the task itself, which a perfect generator "
            "would reach"
        )
    if compared:
        yield f"It is compared with {'; and with '.join(compared)}."


def _epochs(options: Mapping[str, Any]) -> str:
    number = options["epochs"]
    return f"{number:,} epoch{'s' * (number != 1)}"


def _number(recipe: Mapping[str, Any]) -> str:
    """ "200 ", or "the " where the task sampler does not say how many there are."""
    count = recipe["tasks"].get("id")
    return f"{count:,} " if isinstance(count, int) else "the "


def _tasks(source: Source, split: str) -> str:
    """ "100 OOD tasks of 10 classes"; "" if there are none."""
    drawn = [seed[split] for seed in source.facts.evaluations["tasks"].values() if split in seed]
    if not drawn:
        return ""
    seeds = f" for each of {len(drawn)} seeds" if len(drawn) > 1 else ""
    return f"{len(drawn[0]):,} {split.upper()} tasks of {len(drawn[0][0])} classes{seeds}"


def lead(source: Source) -> Markup:
    """One sentence below the title."""
    name = {part.role: part.name.rpartition("/")[2] for part in source.parts}
    record = source.record
    whole = (
        f"{name['data set']} with {name['architecture']}, "
        f"seed{'s' * (len(record['seeds']) > 1)} {', '.join(map(str, record['seeds']))}, "
        f"{record['started'][:10]}"
    )
    return paragraph(whole, soft=True)

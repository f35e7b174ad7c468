"""What the example of each kind is called, and a recipe that uses the chosen ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """target: its class; the options class is called after it. smoke: options for the tests."""

    target: str
    summary: str
    smoke: str = ""

    @property
    def options(self) -> str:
        return f"{self.target}Options"


EXAMPLES = {
    "dataset": Example(
        "Stripes", "Drawn stripes: 16 classes, no download.", ', "train": 6, "test": 3'
    ),
    "task-sampler": Example(
        "Decks", "Deals tasks from shuffled decks of all classes.", ', "id": 30, "ood": 10'
    ),
    "architecture": Example("Mosaic", "A linear classifier on the colours of a coarse grid."),
    "tokenizer": Example("Neurons", "A token for each output of a layer."),
    "conditioner": Example("LetterPairs", "Letter pairs of the prompt, counted in bins."),
    "generator": Example("RidgeRows", "A class's rows by ridge regression from its condition."),
    "augmentation": Example("Rotation", "Turns the order of the classes on both sides."),
    "study": Example("SmallTasks", "p-Acc on tasks of few classes."),
}

_RECIPE = """\
# What my-plugin adds, in a run of a minute; with --profile smoke, of seconds.
name: my-plugin
dataset: {dataset}
tasks: {tasks}
architecture: {architecture}
conditioner: {conditioner}
generic: {{epochs: 5, learning_rate: 3e-3}}
finetune: {{epochs: 3, learning_rate: 1e-2, shard: 60}}
evaluation: {{id_tasks: 20}}
generators:
  - {{use: classifier-selection}}
{learner}  - {{use: oracle}}
{studies}
profiles:
  smoke:
    tasks.id: 12
    tasks.ood: 6
    generic.epochs: 1
    finetune.epochs: 1
    evaluation.id_tasks: 6
{smoke}"""
_MINE = "{use: my-plugin}"
_TINA = """\
  - use: tina-dit
    hidden_size: 64
    depth: 2
    heads: 4
    tokenizer: {tokenizer}
    augmentations: {augmentations}
    sampler: ddim
    sampling_steps: 1
    steps: 200
    learning_rate: 1e-3
    clip: 1.0
"""


def recipe_for(kinds: Sequence[str]) -> str:
    """A small recipe with a part of the plugin for each of `kinds`, and tina-kit's for the rest."""

    def mine(kind: str, otherwise: str) -> str:
        return _MINE if kind in kinds else otherwise

    learners = ["  - {use: my-plugin}\n"] if "generator" in kinds else []
    tina = "tokenizer" in kinds or "augmentation" in kinds
    if tina:
        augmentations = "[{use: my-plugin}]" if "augmentation" in kinds else "[]"
        tokenizer = mine("tokenizer", "{use: layer-chunks}")
        learners.append(_TINA.format(tokenizer=tokenizer, augmentations=augmentations))
    sampler = "use: my-plugin, " if "task-sampler" in kinds else ""
    return _RECIPE.format(
        dataset=mine("dataset", "{use: shapes, train: 20, test: 10}"),
        tasks=f"{{{sampler}classes: 4, id: 120, ood: 30}}",
        architecture=mine("architecture", "{use: cnn, widths: [8, 16]}"),
        conditioner=mine("conditioner", "{use: hashed-ngrams}"),
        learner="".join(learners) or "  - {use: class-means}\n",
        studies="studies:\n  - {use: my-plugin}\n" if "study" in kinds else "",
        smoke="    generators.tina-dit.steps: 10\n" if tina else "",
    )

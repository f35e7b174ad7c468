"""A recipe that uses the examples of the chosen kinds."""

from __future__ import annotations

from collections.abc import Collection

from tina_kit.scaffold.example import component_name

_RECIPE = """\
# What my-plugin adds: a run takes a minute, with --profile smoke seconds.
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
_USE = {
    "dataset": "{{use: {name}, file: colours.npz}}",
    "conditioner": "{{use: {name}, text: {{use: hashed-ngrams}}}}",
    "tokenizer": "{{use: {name}, size: 64}}",
    "study": "{{use: {name}, budget: 80, epochs: [2, 4, 8]}}",
}
"""What a recipe says of a component that needs options."""
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


def recipe_for(kinds: Collection[str]) -> str:
    """A small recipe with the package's components for `kinds`, and tina-kit's for the others."""

    def mine(kind: str, otherwise: str) -> str:
        return _use(kind) if kind in kinds else otherwise

    learners = [f"  - {_use('generator')}\n"] if "generator" in kinds else []
    tina = "tokenizer" in kinds or "augmentation" in kinds
    if tina:
        tokenizer = mine("tokenizer", "{use: layer-chunks}")
        augmentations = f"[{mine('augmentation', '')}]"
        learners.append(_TINA.format(tokenizer=tokenizer, augmentations=augmentations))
    sampler = f"use: {component_name('task-sampler')}, " if "task-sampler" in kinds else ""
    return _RECIPE.format(
        dataset=mine("dataset", "{use: shapes, train: 20, test: 10}"),
        tasks=f"{{{sampler}classes: 4, id: 120, ood: 30}}",
        architecture=mine("architecture", "{use: cnn, widths: [8, 16]}"),
        conditioner=mine("conditioner", "{use: hashed-ngrams}"),
        learner="".join(learners) or "  - {use: class-means}\n",
        studies=f"studies:\n  - {_use('study')}\n" if "study" in kinds else "",
        smoke="    generators.tina-dit.steps: 10\n" if tina else "",
    )


def _use(kind: str) -> str:
    return _USE.get(kind, "{{use: {name}}}").format(name=component_name(kind))

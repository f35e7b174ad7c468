"""The comments of a new recipe, above its keys."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from math import comb
from pathlib import Path

import torch

from tina_kit.pipeline.estimate import Cost, table, total
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.runtime import Runtime
from tina_kit.scaffold.findings import Findings


def comments(
    path: Path, found: Findings, plan: Plan, costs: Sequence[Cost], settled: Collection[str]
) -> dict[str, str]:
    """Comments by dotted key for the recipe at `path`; the one at "" begins the file.

    settled: the keys that the user has set, which get no comment.
    """
    told = {"": _head(path, found, plan, costs), **_KEYS}
    tasks, dataset = plan.recipe.tasks.options, plan.recipe.dataset.options
    size, classes = getattr(tasks, "classes", 0), len(found.classes)
    told["tasks"] = (
        f"A task is some of the classes: here {size} of {classes}, of which there are "
        f"{comb(classes, size):,} sets; at most half of them can be drawn. Generators learn from "
        "the p-Models of ID tasks and are tested on OOD tasks, which are other sets."
    )
    if found.uneven:
        told["evaluation"] += " As classes differ in size, each counts the same."
    if "size" in type(dataset).model_fields and "architecture" not in settled:
        height, width = found.size
        told["dataset"] = (
            f"Images are cropped to a square and resized to {width} × {height} pixels, which is "
            "enough for the CNN below. Twice the side takes four times as long."
        )
    return {key: text for key, text in told.items() if key not in settled}


def run_command(path: Path) -> str:
    return f"tina-kit run {shlex.quote(str(path))}"


def _head(path: Path, found: Findings, plan: Plan, costs: Sequence[Cost]) -> str:
    times = "\n".join(f"  {line}" for line in table(costs))
    return f"""\
Written by tina-kit init for {found.summary}.

  {run_command(path)} --profile smoke   # every stage, tiny: seconds
  {run_command(path)}

A run takes about {total(costs)} on this machine ({_machine(plan.runtime)}). By stage, from a few \
steps of each:
{times}

`tina-kit list` names all installed components, `tina-kit show KIND NAME` the options of one.
"""


def _machine(runtime: Runtime) -> str:
    if runtime.device.type == "cuda":
        return f"{torch.cuda.get_device_name(runtime.device)}, {runtime.precision}"
    cores = torch.get_num_threads()
    return f"{cores} CPU core{'s' if cores > 1 else ''}, {runtime.precision}"


_KEYS = {
    "architecture": "The p-Model, a small classifier that is generated: the paper's CNN. resnet20 "
    "is more accurate on photographs and takes longer.",
    "conditioner": "Embeds the class names, which are the prompts.",
    "generic": "The generic model: one classifier over all classes. P-Models start from it.",
    "finetune": "P-Models are fine-tuned, each on the training images of its task.",
    "evaluation": "All OOD tasks are evaluated, and this many ID tasks.",
    "generators": "The rows of the table. tina-dit learns to generate p-Models from prompts; the "
    "others are what it is compared with. The oracle is the p-Models fine-tuned on the OOD "
    "tasks themselves. With more time, raise its steps, hidden_size and depth.",
    "profiles.smoke": "Every stage at a tiny size, to check that everything is set up.",
    "profiles.laptop": "The settings above.",
    "profiles.validation": "For choosing options: a fifth of the training images stands in for the "
    "test images.",
}

"""The zoo as a table of classes."""

from __future__ import annotations

from pathlib import Path

import torch
from tina_generators.means import ClassMeans
from tina_generators.options_compared import ClassMeansOptions

from tina_kit.api import Request, Zoo


def test_each_class_has_the_mean_of_its_rows_whatever_the_task(world, tmp_path: Path) -> None:
    context = world.context()
    layout = context.architecture.layout(context.classes)
    tasks = torch.tensor([[3, 1, 0, -1], [1, 5, 2, 3]])
    vectors = torch.randn(2, layout.size, generator=torch.Generator().manual_seed(0))
    generator = ClassMeans(ClassMeansOptions())
    generator.setup(context)
    generator.fit(Zoo(tasks, torch.zeros(2, 4, 1), vectors))
    generator.save(tmp_path)
    again = ClassMeans(ClassMeansOptions())
    again.setup(context)
    again.load(tmp_path)
    asked = torch.tensor([[1, 3, 5, 7], [5, 1, -1, -1]])
    made = again.generate(Request(torch.zeros(2, 4, 1), asked))
    bias, weight = (layout.unflatten(made)[name] for name in ("6.bias", "6.weight"))
    theirs = layout.unflatten(vectors)
    one = (theirs["6.weight"][0, 1] + theirs["6.weight"][1, 0]) / 2
    torch.testing.assert_close(weight[0, 0], one)
    torch.testing.assert_close(weight[1, 1], one)
    torch.testing.assert_close(weight[0, 2], theirs["6.weight"][1, 1])
    assert bias[0, 3] == -torch.inf  # class 7 is in no ID task
    torch.testing.assert_close(layout.unflatten(made)["0.weight"][0], theirs["0.weight"].mean(0))

"""How much faster many classifiers are fine-tuned at once on features than p-Models one after
another through the frozen backbone.

Run `python -m tests.benchmarks.classifiers`; prints the median and the range of the ratio over
rounds that alternate the two. Computing the features counts; the more p-Models, the less it weighs.
"""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable

import torch
from tina_architectures.options import ResNet20Options
from tina_architectures.resnet20 import ResNet20
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES, ALL_CLASSES, EACH = 10, 20, 50
ARCHITECTURE = ResNet20(ResNet20Options())


class World:
    """A generic model, images, and the tasks and batches of some p-Models."""

    def __init__(self, models: int, steps: int, batch: int) -> None:
        torch.manual_seed(0)
        self.generic = ARCHITECTURE.build(ALL_CLASSES).eval().requires_grad_(False)
        self.images = torch.randint(0, 256, (ALL_CLASSES * EACH, 3, 32, 32), dtype=torch.uint8)
        tasks = torch.stack([torch.randperm(ALL_CLASSES)[:CLASSES] for _ in range(models)])
        self.targets = torch.randint(0, CLASSES, (steps, models, batch))
        firsts = tasks.gather(1, self.targets.movedim(1, 0).flatten(1)) * EACH
        firsts = firsts.view(models, steps, batch)
        self.batches = (firsts + torch.randint(0, EACH, firsts.shape)).movedim(1, 0)
        layout = ARCHITECTURE.layout(ALL_CLASSES)
        vector = layout.flatten(self.generic.state_dict())
        self.start = layout.take_classes(vector.expand(models, -1), tasks)  # (models, P)

    def together(self) -> Tensor:
        """`(models, P)`: features once, then all classifiers in one optimisation."""
        with torch.inference_mode():
            parts = self.images.split(250)
            features = torch.cat([ARCHITECTURE.inputs(self.generic, part) for part in parts])
        features, vectors = features.clone(), nn.Parameter(self.start.clone())
        optimizer = torch.optim.AdamW([vectors], lr=1e-3, weight_decay=0)
        for batch, target in zip(self.batches, self.targets):
            logits = ARCHITECTURE.forward_many(vectors, features[batch], CLASSES, {})
            loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
            _step(optimizer, loss * len(vectors))
        return vectors.detach()

    def one_by_one(self) -> Tensor:
        """`(models, P)`: each p-Model alone, every image through the backbone in every step."""
        layout, done = ARCHITECTURE.layout(CLASSES), []
        for model, start in enumerate(self.start):
            module = ARCHITECTURE.build(CLASSES)
            module.load_state_dict({**self.generic.state_dict(), **layout.unflatten(start)})
            module.eval().requires_grad_(False)
            trained = [p.requires_grad_() for p in module.get_submodule("fc").parameters()]
            optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)
            for batch, target in zip(self.batches[:, model], self.targets[:, model]):
                logits = module(ARCHITECTURE.normalise(self.images[batch]))
                _step(optimizer, F.cross_entropy(logits, target))
            done.append(layout.flatten(module.state_dict()))
        return torch.stack(done)


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def seconds(tune: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    tune()
    return time.perf_counter() - start


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    world = World(2, 2, 8) if given.tiny else World(20, 16, 64)
    rounds = 1 if given.tiny else given.rounds
    # And warm up.
    torch.testing.assert_close(world.together(), world.one_by_one(), atol=1e-4, rtol=1e-3)
    ratios = []
    for _ in range(rounds):
        fast, slow = seconds(world.together), seconds(world.one_by_one)
        ratios.append(slow / fast)
    print(
        f"{len(world.start)} classifiers through the backbone / on features: "
        f"{statistics.median(ratios):.1f} "
        f"({min(ratios):.1f} to {max(ratios):.1f}, {rounds} rounds)"
    )


if __name__ == "__main__":
    main()

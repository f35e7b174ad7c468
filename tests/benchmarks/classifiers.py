"""How much faster many classifiers are fine-tuned at once on features than p-Models one after
another through the frozen backbone.

Run `python tests/benchmarks/classifiers.py`; prints the median and the range of the ratio over
rounds that alternate the two. Computing the features counts; the more p-Models, the less it weighs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from tina_architectures.options import ResNet20Options
from tina_architectures.resnet20 import ResNet20
from torch import Tensor, nn
from torch.nn import functional as F

MODELS, CLASSES, STEPS, BATCH, ROUNDS = 20, 10, 16, 64, 3
ALL_CLASSES, EACH = 20, 50
torch.manual_seed(0)
ARCHITECTURE = ResNet20(ResNet20Options())
GENERIC = ARCHITECTURE.build(ALL_CLASSES).eval().requires_grad_(False)
IMAGES = torch.randint(0, 256, (ALL_CLASSES * EACH, 3, 32, 32), dtype=torch.uint8)
TASKS = torch.stack([torch.randperm(ALL_CLASSES)[:CLASSES] for _ in range(MODELS)])
TARGETS = torch.randint(0, CLASSES, (STEPS, MODELS, BATCH))
BATCHES = TASKS.gather(1, TARGETS.movedim(1, 0).flatten(1)).view(MODELS, STEPS, BATCH) * EACH
BATCHES = (BATCHES + torch.randint(0, EACH, BATCHES.shape)).movedim(1, 0)  # (STEPS, MODELS, BATCH)
LAYOUT = ARCHITECTURE.layout(ALL_CLASSES)
START = LAYOUT.take_classes(
    LAYOUT.flatten(GENERIC.state_dict()).expand(MODELS, -1), TASKS
)  # (MODELS, P)


def together() -> Tensor:
    """`(MODELS, P)`: features once, then all classifiers in one optimisation."""
    with torch.inference_mode():
        features = torch.cat([ARCHITECTURE.inputs(GENERIC, part) for part in IMAGES.split(250)])
    features, vectors = features.clone(), nn.Parameter(START.clone())
    optimizer = torch.optim.AdamW([vectors], lr=1e-3, weight_decay=0)
    for batch, target in zip(BATCHES, TARGETS):
        logits = ARCHITECTURE.forward_many(vectors, features[batch], CLASSES, {})
        _step(optimizer, F.cross_entropy(logits.flatten(0, 1), target.flatten()) * MODELS)
    return vectors.detach()


def one_by_one() -> Tensor:
    """`(MODELS, P)`: each p-Model alone, every image through the backbone in every step."""
    layout, done = ARCHITECTURE.layout(CLASSES), []
    for model, start in enumerate(START):
        module = ARCHITECTURE.build(CLASSES)
        module.load_state_dict({**GENERIC.state_dict(), **layout.unflatten(start)})
        module.eval().requires_grad_(False)
        trained = [p.requires_grad_() for p in module.get_submodule("fc").parameters()]
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)
        for batch, target in zip(BATCHES[:, model], TARGETS[:, model]):
            logits = module(ARCHITECTURE.normalise(IMAGES[batch]))
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


if __name__ == "__main__":
    torch.testing.assert_close(together(), one_by_one(), atol=1e-4, rtol=1e-3)  # and warm up
    ratios = []
    for _ in range(ROUNDS):
        fast, slow = seconds(together), seconds(one_by_one)
        ratios.append(slow / fast)
    print(
        f"{MODELS} classifiers through the backbone / on features: {statistics.median(ratios):.1f} "
        f"({min(ratios):.1f} to {max(ratios):.1f}, {ROUNDS} rounds)"
    )

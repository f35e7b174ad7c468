"""Features: the images, passed through the frozen part of the generic model once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import Images, Observer, Split, UserError
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.generic import GenericStage
from tina_kit.pipeline.stages.images import SPLITS, ImagesStage
from tina_kit.store import Checkpoint, Draft, NotFinite
from tina_kit.training import autocast, counting, on_every_core
from tina_kit.zoo.data import TaskData, normalised
from tina_kit.zoo.forms import described

AT_ONCE = 256  # images per batch
TOGETHER = 16 * AT_ONCE  # images per checkpoint
_FILE = "features.safetensors"


class FeaturesStage(Stage):
    kind = "features"
    version = 2

    def __init__(self, runtime: Runtime, images: ImagesStage, generic: GenericStage) -> None:
        super().__init__(runtime, "features", generic.seed)
        self.images, self.generic = images, generic

    @property
    def settings(self) -> Mapping[str, Any]:
        return {}

    @property
    def after(self) -> Sequence[Stage]:
        return (self.generic,)

    def compute(self, draft: Draft) -> None:
        device, architecture = self.runtime.device, self.generic.architecture
        # Convolutions over few channels are much faster this way on CPUs and tensor cores.
        module = self.generic.module.to(device).to(memory_format=torch.channels_last)

        def network(images: Tensor) -> Tensor:
            images = images.to(device, memory_format=torch.channels_last)
            return architecture.inputs(module, images)

        tensors: dict[str, Tensor] = {}
        with torch.inference_mode(), autocast(self.runtime.precision, device):
            for split in SPLITS:
                images, label = self.images.read(split).images, f"{self.name} {split}"
                tensors[split] = through(
                    network, images, draft, label, self.runtime.observer, device.type == "cpu"
                )
        module.to("cpu").to(memory_format=torch.contiguous_format)
        draft.save_tensors(_FILE, tensors)

    def read(self, split: Split) -> Tensor:
        """float32 `(N, ...)`, on the CPU."""
        return self.entry.tensors(_FILE)[split]


class Inputs:
    """What p-Models are given: features of the images if the network has a frozen part, else the
    images, normalised.

    stage: the last stage that they come from.
    """

    def __init__(self, runtime: Runtime, images: ImagesStage, generic: GenericStage) -> None:
        self.runtime, self.images, self.generic = runtime, images, generic
        self.stage: Stage = generic
        self._shared: dict[Split, dict[str, Tensor]] = {split: {} for split in SPLITS}
        if generic.architecture.frozen_features:
            self.stage = FeaturesStage(runtime, images, generic)

    @property
    def form(self) -> str:
        """In which form p-Models run on them, for the log."""
        return described(self.generic.architecture, self.runtime.device)

    def of(self, split: Split, mirrored: bool = False) -> TaskData:
        """The labelled inputs of one split, with their mirror images if wanted. Features are read
        on first use and stay on the device only as long as what is returned: those of all networks
        in a study would fill it."""
        images = self.images.read(split)
        if mirrored:
            images = self._with_mirror_images(images)
        return TaskData(
            architecture=self.generic.architecture,
            inputs=self._reader(split, images),
            labels=images.labels,
            class_count=self.generic.class_count,
            frozen=self.generic.state,
            device=self.runtime.device,
            mirrored=mirrored,
            features={} if mirrored else self._shared[split],
        )

    def check_images(self) -> None:
        """Raises UserError if p-Models read features, of which there are none of flipped images."""
        if self.generic.architecture.frozen_features:
            raise UserError(
                "augment: flip: p-Models of this architecture read features of the images, which "
                "are computed once; set augment: none"
            )

    def _with_mirror_images(self, images: Images) -> Images:
        self.check_images()
        both = torch.cat([images.images, images.images.flip(-1)])
        return Images(both, images.labels.repeat(2))

    def _reader(self, split: Split, images: Images) -> Callable[[Tensor], Tensor]:
        device, stage = self.runtime.device, self.stage
        if not isinstance(stage, FeaturesStage):
            return normalised(self.generic.architecture, images.images, device)

        @cache
        def features() -> Tensor:
            return stage.read(split).to(device)

        return lambda index: features()[index.to(device)]


def through(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    draft: Draft,
    label: str,
    observer: Observer,
    cores: bool = False,
) -> Tensor:
    """uint8 `(N, 3, H, W)`, or int64 `(N,)` that stand for such images → float32 `(N, ...)` on the
    CPU.

    network: `(B, ...)` of `images` → `(B, ...)`; cores: whether each batch is computed on a core of
    its own. Each checkpoint is written once, and a stage that was killed continues after the last
    one. Raises NotFinite if a row holds NaN or infinity.
    """
    parts = images.split(TOGETHER)
    checkpoints = [draft.checkpoint(f"{label} {number}") for number in range(len(parts))]
    there = [saved.path.is_file() for saved in checkpoints]
    done = sum(len(some) for some, saved in zip(parts, there) if saved)
    rows = torch.empty(0)
    with counting(observer, label, len(images), done) as advance:
        for number, (some, checkpoint) in enumerate(zip(parts, checkpoints)):
            part = _saved(checkpoint, len(some))
            if part is None:
                counted = _uncounted if there[number] else advance
                part = torch.cat(list(_in_batches(network, some, counted, cores)))
                _save(checkpoint, part, label)
            if number == 0:  # the shape is known now; a list of all would take twice as much
                rows = part.new_empty(len(images), *part.shape[1:])
            if part.shape[1:] != rows.shape[1:] and any(there):
                for saved in filter(lambda saved: saved.path.is_file(), checkpoints):
                    saved.discard("its rows have another size than those of other images")
                return through(network, images, draft, label, observer, cores)
            rows[number * TOGETHER :][: len(part)] = part
    return rows


def _saved(checkpoint: Checkpoint, count: int) -> Tensor | None:
    """The rows of so many images, where they were saved."""
    saved = checkpoint.load()
    if saved is None:
        return None
    rows = saved[0].get("rows")
    if rows is not None and rows.dtype == torch.float32 and rows.shape[:1] == (count,):
        return rows
    checkpoint.discard(f"it does not hold rows of {count} images")
    return None


def _save(checkpoint: Checkpoint, rows: Tensor, label: str) -> None:
    try:
        checkpoint.save({"rows": rows}, {})
    except NotFinite as error:
        raise NotFinite(
            f"{label}: what the network computed is not finite: {error}. Check the weights that it "
            "was given, or compute in fp32 (precision: fp32)"
        ) from None


def _uncounted(count: int) -> None:
    """The progress of rows that were counted as saved."""


def _in_batches(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    advance: Callable[[int], None],
    cores: bool,
) -> Iterator[Tensor]:
    batches = images.split(AT_ONCE)
    for rows in on_every_core(network, batches) if cores else map(network, batches):
        yield rows.float().cpu()
        advance(len(rows))

"""A p-Model as a plain module, with all that happens to an image before and after the network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from tina_kit.api import Architecture
from tina_kit.zoo.resizing import fit


class Classifier(nn.Module):
    """uint8 RGB images `(N, 3, H, W)` of any size → probabilities, float32 `(N, C)`.

    Images are cropped, resized and normalised as in training; they must be upright, which only
    reading a file can see to. classes: names in the order of the columns; image_size: (height,
    width) in pixels to which images are resized.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: Architecture,
        classes: Sequence[str],
        image_size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.network = network
        self.classes, self.image_size = tuple(classes), image_size
        self._normalise = architecture.normalise

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(self._normalise(fit(images, self.image_size)))
        return logits.float().softmax(1)

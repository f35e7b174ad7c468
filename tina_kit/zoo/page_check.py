"""Answers images with an exported page, to compare it with the p-Model."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tina_kit.api import TinaKitError, printable
from tina_kit.zoo.layers import compute
from tina_kit.zoo.page import WEB, data_of
from tina_kit.zoo.resizing import fit

_Answers = Callable[[Tensor], np.ndarray[Any, Any]]


def node() -> str | None:
    """The program that can run the page's JavaScript, if it is installed."""
    return shutil.which("node")


@contextmanager
def page_runner(content: bytes) -> Iterator[_Answers]:
    """What answers uint8 `(N, 3, H, W)` with probabilities `(N, C)` as the page does.

    With node, the page's own script does it. Without, its data are computed with torch: that shows
    that the page describes the p-Model, but not that its script is right, which only the project's
    tests then have shown.
    """
    program = node()
    if program is None:
        yield lambda images: _mirrored(content, images)
        return
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as errors:
        path = Path(name) / "page.html"
        path.write_bytes(content)
        with subprocess.Popen(
            [program, str(WEB / "answer.js"), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process:

            def answers(images: Tensor) -> np.ndarray[Any, Any]:
                rows = [_asked(process, image) for image in images]
                if None in rows:
                    process.wait()
                    errors.seek(0)
                    told = errors.read().decode(errors="replace")
                    why = [line for line in told.splitlines() if "Error" in line] or ["it ended"]
                    raise TinaKitError(f"node cannot run the page: {printable(why[0])[:300]}")
                return np.array(rows, np.float32)

            try:
                yield answers
            finally:
                process.kill()


def _asked(process: subprocess.Popen[bytes], image: Tensor) -> list[float] | None:
    """Probabilities of uint8 `(3, H, W)`, or None if the process has ended."""
    assert process.stdin is not None and process.stdout is not None
    _, height, width = image.shape
    pixels = np.full((height, width, 4), 255, np.uint8)
    pixels[..., :3] = image.permute(1, 2, 0).numpy()
    try:
        process.stdin.write(np.array([height, width], "<u4").tobytes() + pixels.tobytes())
        process.stdin.flush()
    except BrokenPipeError:
        return None
    line = process.stdout.readline()
    # What is not finite becomes null in JSON.
    return [float("nan") if p is None else p for p in json.loads(line)] if line else None


def _mirrored(content: bytes, images: Tensor) -> np.ndarray[Any, Any]:
    data, weights = data_of(content)
    height, width = data["size"]
    scale, offset = (torch.tensor(data[name]).view(3, 1, 1) for name in ("scale", "offset"))
    pixels = fit(images, (height, width)) * scale + offset
    logits = compute(data["layers"], torch.from_numpy(weights), pixels)
    return logits.softmax(1).numpy()

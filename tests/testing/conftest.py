"""Small files that first-party parts read, written once, and a stand-in for a language model."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tina_kit.testing import ComponentSuite

NAMES = ["red circle", "blue square", "green star", "pink bar"]
TINY_CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody may write to it."""
    root = tmp_path_factory.mktemp("files")
    for folder in ("caltech101/101_ObjectCategories", "own"):
        for name in NAMES:
            write_images(root / folder / name.replace(" ", "_"), 5)
    for split, count in (("train", 3), ("val", 2)):
        for index, _ in enumerate(NAMES):
            write_images(root / "mini_imagenet" / split / f"n{index:08}", count)
    rows = "".join(f"n{index:08}\t{name}\n" for index, name in enumerate(NAMES))
    (root / "mini_imagenet/classes.tsv").write_text(rows)
    write_cifar10(root / "cifar-10-batches-py")
    write_cifar100(root / "cifar-100-python")
    vectors = np.random.default_rng(0).standard_normal((len(NAMES), 6))
    np.savez(root / "table.npz", names=np.array(NAMES), embeddings=vectors)
    lines = "".join(f"{name}: A thing of kind {index}.\n" for index, name in enumerate(NAMES))
    (root / "sentences.yaml").write_text(lines)
    (root / "clip.json").write_text(json.dumps(TINY_CLIP))
    write_backbone(root / "backbone.safetensors")
    return root


def write_images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    seed = int.from_bytes(hashlib.sha256(folder.as_posix()[-20:].encode()).digest()[:4], "big")
    random = np.random.default_rng(seed)
    for index in range(count):
        pixels = random.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")


def write_cifar10(folder: Path) -> None:
    folder.mkdir()
    batches = [*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]
    for seed, name in enumerate(batches):
        write_batch(folder / name, seed, labels=[0, 1, 2, 3])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES}, protocol=2))


def write_cifar100(folder: Path) -> None:
    folder.mkdir()
    for seed, name in enumerate(("train", "test")):
        write_batch(folder / name, seed, fine_labels=[0, 1, 2, 3], coarse_labels=[0, 1, 0, 1])
    meta = {"fine_label_names": NAMES, "coarse_label_names": ["round", "square"]}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=2))


def write_batch(path: Path, seed: int, **labels: list[int]) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 3072), dtype=np.uint8)
    path.write_bytes(pickle.dumps({"data": pixels, **labels}, protocol=2))


def write_backbone(path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("test_vit").state_dict(), path)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """The address of a language model that answers each question with words of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            answer = f"It is {hashlib.sha256(question).hexdigest()}."
            reply = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def caught(tmp_path: Path) -> Callable[..., None]:
    """`caught(suite, check, part, message, **told)`: the check fails for what `part` gives, with
    a message that holds `message`. told: attributes of the suite."""

    def caught(
        suite: type[ComponentSuite],
        check: str,
        part: Callable[..., object] | None,
        message: str,
        **told: Any,
    ) -> None:
        by_hand = {"component": lambda self, **changes: part(**changes)} if part else {}
        wrong = type("Wrong", (suite,), by_hand | told)()
        method = getattr(wrong, check)
        arguments = {"tmp_path": tmp_path} if "tmp_path" in signature(method).parameters else {}
        try:
            method(**arguments)
        except AssertionError as error:
            assert re.search(message, str(error)), error
            return
        except pytest.skip.Exception as skipped:
            pytest.fail(f"{check} was skipped: {skipped}")
        pytest.fail(f"{check} let it pass")

    return caught


@pytest.fixture
def checks() -> Callable[[type[ComponentSuite]], set[str]]:
    """The names of a suite's own checks."""
    return lambda suite: {name for name in vars(suite) if name.startswith("test_")}

"""Generates from bundles in a process that may not ask the network.

Not a test: test_bundle_alone.py runs it in a process of its own.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any


def refuse(*given: Any) -> Any:
    raise AssertionError("asked the network")


def main(words: list[str]) -> None:
    """words: the lists of classes of each generator as JSON, and the bundles."""
    socket.socket.connect = socket.socket.connect_ex = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse
    import tina_kit

    asked, *bundles = words
    for path in bundles:
        generator = tina_kit.load_generator(path)
        for number, classes in enumerate(json.loads(asked)[generator.name]):
            generator.generate(classes).save(f"{generator.name} {number}.safetensors")
    assert not {"tina_datasets.shapes", "tina_datasets.caltech"} & sys.modules.keys()

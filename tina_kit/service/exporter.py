"""A process of its own for exports: they take seconds in which nothing else in it can be answered,
and change what belongs to a whole process (logging, warnings).

It reads a line of JSON (`format`, `size`) and so many bytes of a p-Model's file from stdin, and
writes a line (`size`, and `problem` if that is a message) and so many bytes to stdout, until stdin
ends; so it ends with the service, however that ends.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

NICE = 5  # p-Models are waited for more than exports are


def main() -> None:
    # Whatever is printed must not get between the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(NICE)
    while line := sys.stdin.buffer.readline():
        asked = json.loads(line)
        content = sys.stdin.buffer.read(asked["size"])
        answer(out, content, asked["format"])


def answer(out: BinaryIO, content: bytes, form: str) -> None:
    from tina_kit.api import TinaKitError
    from tina_kit.zoo.exporting import FORMATS, export
    from tina_kit.zoo.pmodel import load_bytes

    problem = None
    try:
        assert form in FORMATS
        with TemporaryDirectory() as folder:
            path = Path(folder) / "export"
            export(load_bytes(content), path, form)
            made = path.read_bytes()
    except TinaKitError as error:
        made, problem = str(error).encode(), "message"
    except Exception as error:  # the service lives on
        why = getattr(error, "strerror", None) or type(error).__name__
        made, problem = why.encode(), "unexpected"
    head = {"size": len(made), **({"problem": problem} if problem else {})}
    out.write(json.dumps(head).encode() + b"\n" + made)
    out.flush()


if __name__ == "__main__":
    main()

"""A p-Model as one HTML page that classifies images in a browser, without a network or a library.

The weights are in the page, and some plain JavaScript computes with them: for the small networks of
the kit that is a few kilobytes, where a runtime for ONNX would be megabytes. A policy in the page
forbids the browser any connection and any script but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import tina_kit
from tina_kit.api import UserError, abridged
from tina_kit.zoo.layers import layers_of
from tina_kit.zoo.pmodel import PModel
from tina_kit.zoo.resizing import COLUMNS_FIRST

WEB = Path(__file__).parent / "web"


def page(model: PModel, preprocessing: Mapping[str, Any] | None) -> bytes:
    """The page, in UTF-8. preprocessing: as `exporting.preprocessing` gives it.

    Raises UserError for an architecture that it cannot compute.
    """
    layers, weights = layers_of(model.module)
    if preprocessing is None:
        raise UserError(
            "a page only scales and shifts pixels; this architecture normalises them in another "
            "way. Give --format onnx, torch-export or safetensors"
        )
    data = {
        "classes": list(model.classes),
        "size": list(model.image_size),
        "columns_first": COLUMNS_FIRST,
        "scale": preprocessing["scale"],
        "offset": preprocessing["offset"],
        "layers": layers,
        "weights": base64.b64encode(weights.numpy().astype("<f4").tobytes()).decode(),
    }
    # "<" would let a class name end the element.
    told = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    parts = {name: _text(name) for name in ("page.css", "arithmetic.js", "page.js")}
    scripts = " ".join(_hash(parts[name]) for name in ("arithmetic.js", "page.js"))
    values = {
        "policy": "default-src 'none'; base-uri 'none'; form-action 'none'; img-src blob: data:; "
        f"script-src {scripts}; style-src {_hash(parts['page.css'])}",
        "made_by": escape(f"tina-kit {tina_kit.__version__}"),
        "title": escape(f"Image classifier: {abridged(model.classes, 6)}"),
        "style": parts["page.css"],
        "about": "\n".join(f"<li>{escape(line)}</li>" for line in _about(model)),
        "model": told,
        "arithmetic": parts["arithmetic.js"],
        "script": parts["page.js"],
    }
    # In one pass: a class may be called "{{model}}".
    filled = re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _text("page.html"))
    return filled.encode()


def data_of(content: bytes) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """The data in a page and its weights, float32 `(P,)`."""
    found = re.search(rb'<script id="model"[^>]*>(.*?)</script>', content, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    return data, np.frombuffer(base64.b64decode(data["weights"]), "<f4").astype(np.float32)


def _about(model: PModel) -> Iterator[str]:
    facts = model.info
    yield f"It tells apart {len(model.classes):,} classes: {'; '.join(model.classes)}."
    yield "An image of anything else gets one of these classes, too."
    if facts["generator"]:
        yield f"Its weights were generated for these classes by {facts['generator']}."
    if facts["unseen"]:
        names = "; ".join(map(str, facts["unseen"]))
        yield f"The generator was not trained on images of: {names}."
    yield from _accuracy(facts["expected"])
    height, width = model.image_size
    yield (
        f"It sees the centre of an image at {width} × {height} pixels, and has "
        f"{model.parameters:,} parameters."
    )
    yield "The percentages are the model's own and not calibrated."


def _accuracy(expected: Mapping[str, Any] | None) -> Iterator[str]:
    if expected is None:
        return
    numbers = [expected["p_acc"], *(expected.get("ci95") or ())]
    if not all(0 <= number <= 100 for number in numbers):
        return  # a file may say anything
    mean, *bounds = (f"{number:.1f}" for number in numbers)
    interval = f" (95% interval {' to '.join(bounds)})" if bounds else ""
    yield (
        f"Expected accuracy: {mean}%{interval}. That is what this generator reached on "
        f"{expected['tasks']} tasks of {expected['classes']} classes."
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")

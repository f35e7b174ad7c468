"""Drawn pictures in Parquet files, as Hugging Face's `datasets` would write them.

python tests/pictures.py recipes/pictures.parquet
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from PIL import Image, ImageDraw
from pyarrow import parquet

COLOURS = ("red", "green", "blue", "yellow", "white")
SHAPES = ("disc", "box", "bar", "post")
NAMES = tuple(f"{colour}_{shape}" for colour in COLOURS for shape in SHAPES)
SIDE = 16
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(label: int, random: Random) -> Image.Image:
    """One image of a class, SIDE × SIDE."""
    image = Image.new("RGB", (SIDE, SIDE), (random.randrange(60),) * 3)
    colour, shape = divmod(label, len(SHAPES))
    x, y, r = random.uniform(5, 10), random.uniform(5, 10), random.uniform(3, 5)
    draw = ImageDraw.Draw(image)
    fill = COLOURS[colour]
    if SHAPES[shape] == "disc":
        draw.ellipse((x - r, y - r, x + r, y + r), fill)
    elif SHAPES[shape] == "box":
        draw.rectangle((x - r, y - r, x + r, y + r), fill)
    elif SHAPES[shape] == "bar":
        draw.rectangle((0, y - r / 3, SIDE, y + r / 3), fill)
    else:
        draw.rectangle((x - r / 3, 0, x + r / 3, SIDE), fill)
    return image


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def table(each: int = 10, seed: int = 0, names: Sequence[str] | None = NAMES) -> pa.Table:
    """`each` images of every class: the columns image (a struct), label (int64) and split, of
    which a third is "test". names: go into the metadata, where `datasets` keeps a feature's."""
    random = Random(seed)
    labels = list(range(len(NAMES))) * each
    images = [{"bytes": encoded(picture(label, random)), "path": None} for label in labels]
    splits = ["test" if row // len(NAMES) % 3 == 2 else "train" for row in range(len(labels))]
    made = pa.table({"image": pa.array(images, STRUCT), "label": labels, "split": splits})
    if names is None:
        return made
    label: dict[str, Any] = {"names": list(names), "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": label}
    return made.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def replaced(old: pa.Table, name: str, values: Any) -> pa.Table:
    """A table with another column in the place of one of its own."""
    return old.set_column(old.schema.get_field_index(name), name, pa.array(values))


def write(path: Path, content: pa.Table) -> Path:
    parquet.write_table(content, path, row_group_size=50)
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), table(each=60))

"""Classifier selection beside a generator: what its p-Models are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tina_kit.api import name_index, name_key
from tina_kit.pipeline.answering import Answering
from tina_kit.zoo.assembly import assemble
from tina_kit.zoo.pmodel import PModel


def selection(source: Answering, classes: Sequence[str]) -> PModel | None:
    """The generic model with its rows of some classes; None unless the run was trained on all.

    classes: names that `name_index` accepts.
    """
    index, seen = name_index(source.class_names), source.seen.tolist()
    row = {place: number for number, place in enumerate(seen)}
    rows = [row.get(index.get(name_key(each), -1)) for each in classes]
    if None in rows:
        return None
    layout = source.architecture.layout(len(seen))
    generic = layout.flatten(source.generic_state)[None]
    vector = layout.take_classes(generic, torch.tensor([rows]))[0]
    module = assemble(source.architecture, source.generic_state, vector, len(classes))
    metadata = {"architecture": dict(source.architecture_settings), "run": source.name}
    return PModel(module, source.architecture, classes, source.image_size, metadata)

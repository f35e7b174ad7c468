"""What trackers have kept, read with their own libraries or from their files.

Each gives curves: (name of a training, kind of value) → step → value.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

Curves = dict[tuple[str, str], dict[int, float]]
KINDS = ("loss", "learning_rate", "p_acc")
_BLOCK, _HEADER = 1 << 15, 7  # of .wandb files, which are LevelDB logs


def metrics(folder: Path, seeds: bool) -> Curves:
    """`metrics.csv`. seeds: whether trainings are named by their seed, too."""
    found: Curves = defaultdict(dict)
    with (folder / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            seed = f"seed {row['seed']}/" if seeds and row["seed"] else ""
            number = "" if row["training"] == "0" else f" {row['training']}"
            for kind in KINDS:
                if row[kind]:
                    name = f"{seed}{row['stage']}{number}"
                    found[name, kind][int(row["step"])] = float(row[kind])
    return dict(found)


def tensorboard(folder: Path) -> Curves:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(
        str(folder / "trackers" / "tensorboard"), size_guidance={"tensors": 0}
    )
    events.Reload()
    return _sorted(
        (tag, event.step, float(make_ndarray(event.tensor_proto)))
        for tag in events.Tags()["tensors"]
        for event in events.Tensors(tag)
    )


def mlflow(uri: str, experiment: str) -> Curves:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    known = client.get_experiment_by_name(experiment)
    [run] = client.search_runs([known.experiment_id])
    return _sorted(
        (name, metric.step, metric.value)
        for name in run.data.metrics
        for metric in client.get_metric_history(run.info.run_id, name)
    )


def wandb(folder: Path) -> Curves:
    from wandb.proto import wandb_internal_pb2

    [file] = (folder / "trackers" / "wandb").glob("offline-run-*/*.wandb")
    points = []
    for data in _records(file.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        if record.WhichOneof("record_type") != "history":
            continue
        items = record.history.item
        row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
        [step] = [int(value) for name, value in row.items() if name.endswith("/step")]
        points += [(name, step, value) for name, value in row.items()]
    return _sorted(points)


def trackio(database: Path) -> Curves:
    rows = sqlite3.connect(database).execute("select step, metrics from metrics").fetchall()
    return _sorted(
        (name, step, value) for step, text in rows for name, value in json.loads(text).items()
    )


def _sorted(points) -> Curves:  # type: ignore[no-untyped-def]
    found: Curves = defaultdict(dict)
    for name, step, value in points:
        training, _, kind = name.rpartition("/")
        if kind in KINDS and not training.startswith("results/"):
            assert step not in found[training, kind], "a point was told twice"
            found[training, kind][step] = value
    return dict(found)


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log, which may be cut into pieces at the blocks' ends."""
    at, record = _HEADER, b""
    while at + _HEADER <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + _HEADER])
        at += _HEADER
        record += data[at : at + size]
        at += size
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""

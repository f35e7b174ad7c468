"""Whether every node of a cluster can compute stages of runs that are led from here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from tina_kit.api import first_line
from tina_kit.api.paths import environment_path
from tina_kit.pipeline.findings import Finding
from tina_kit.pipeline.workers.cluster import Cluster
from tina_kit.pipeline.workers.job import sees, software, token_in
from tina_kit.plugins import Registry
from tina_kit.store import Store

_GIB = 1 << 30
_DATA = "TINA_KIT_DATA"


def findings_of_nodes(cluster: Cluster, registry: Registry) -> list[Finding]:
    """A finding for each node. Raises TinaKitError if the store here cannot be written."""
    store, data = Store.default(), environment_path(_DATA)
    with token_in(store) as token:
        asked = (store.place, token, "" if data is None else str(data))
        answers = cluster.on_each_node(looked_around, *asked)
    here = software(registry)
    return [_finding(host, here, answer) for host, answer in answers]


def _finding(host: str, here: Mapping[str, str], answer: Any) -> Finding:
    topic = f"node {host}"
    if isinstance(answer, Exception):
        what = f"tina-kit cannot be used there: {first_line(answer)}"
        return Finding(topic, "broken", what, "install it with the plugins on every node")
    wrong = list(_wrong(here, answer))
    if wrong:
        text = "; ".join(what for what, _ in wrong)
        return Finding(topic, "broken", text, "; ".join(dict.fromkeys(to_do for _, to_do in wrong)))
    text = f"{answer['cpus']} CPUs, torch {answer['torch']}, {answer['free']:.1f} GiB free"
    if answer["free"] < 1:
        return Finding(topic, "note", text, "free some space on the store's disk")
    return Finding(topic, "ok", f"{text}; the same versions, data and store as here")


def _wrong(here: Mapping[str, str], answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong, and what to do."""
    there = answer["software"]
    for name in sorted({*here, *there}):
        if here.get(name) != there.get(name):
            versions = (there.get(name) or "missing", here.get(name) or "missing")
            yield "{} is {} there, {} here".format(name, *versions), "install the same versions"
    if not answer["shared"]:
        to_do = "let TINA_KIT_STORE name a folder or an address that all nodes share"
        yield "sees another store", to_do
    if not answer["data"]:
        yield f"has no folder {_DATA}", f"give the data to every node, and name it in {_DATA}"


def looked_around(place: str, token: str, data: str) -> dict[str, Any]:
    """On a node: what it has. place, token: of the store; data: the folder of the data here."""
    from importlib.metadata import version
    from pathlib import Path
    from shutil import disk_usage

    from tina_kit.plugins import discover

    store = Store.of(place)
    there = next(path for path in (store.root, *store.root.parents) if path.exists())
    return {
        "software": software(discover()),
        "shared": sees(store, token),
        "data": not data or Path(os.environ.get(_DATA) or data).is_dir(),
        "free": disk_usage(there).free / _GIB,
        "cpus": os.cpu_count(),
        "torch": version("torch"),
    }

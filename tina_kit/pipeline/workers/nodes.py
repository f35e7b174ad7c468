"""Whether every node of a cluster can compute stages of runs that are led from here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from secrets import token_hex
from typing import Any

from tina_kit.api import first_line
from tina_kit.api.paths import environment_path
from tina_kit.pipeline.findings import Finding
from tina_kit.pipeline.workers.cluster import Cluster
from tina_kit.pipeline.workers.job import TOKEN, software
from tina_kit.plugins import Registry
from tina_kit.store import Store
from tina_kit.store.disk import STORE_REMEDY, explaining
from tina_kit.store.files import draft_of, write_text

_GIB = 1 << 30
_DATA = "TINA_KIT_DATA"


def findings_of_nodes(cluster: Cluster, registry: Registry) -> list[Finding]:
    """A finding for each node. Raises TinaKitError if the store here cannot be written."""
    root = Store.default().root.absolute()
    token, file = token_hex(16), draft_of(root / TOKEN)
    with explaining(root, STORE_REMEDY):
        write_text(file, token)
    try:
        data = environment_path(_DATA)
        asked = (str(file), token, "" if data is None else str(data))
        answers = cluster.on_each_node(looked_around, *asked)
    finally:
        file.unlink(missing_ok=True)
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
        yield "sees another store", "let TINA_KIT_STORE name a folder that all nodes share"
    if not answer["data"]:
        yield f"has no folder {_DATA}", f"give the data to every node, and name it in {_DATA}"


def looked_around(file: str, token: str, data: str) -> dict[str, Any]:
    """On a node: what it has. file, token: see `Job.token`; data: the folder of the data here."""
    from importlib.metadata import version
    from pathlib import Path
    from shutil import disk_usage

    from tina_kit.plugins import discover

    path = Path(file)
    there = next(folder for folder in path.parents if folder.exists())
    return {
        "software": software(discover()),
        "shared": path.is_file() and path.read_text(encoding="utf-8") == token,
        "data": not data or Path(os.environ.get(_DATA) or data).is_dir(),
        "free": disk_usage(there).free / _GIB,
        "cpus": os.cpu_count(),
        "torch": version("torch"),
    }

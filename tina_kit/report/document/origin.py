"""Where the numbers come from: settings, versions, stages."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from tina_kit.report.document.source import Source
from tina_kit.report.html import Markup, element, folded, pairs, paragraph, section, table


def origin(source: Source) -> Markup:
    record = source.record
    settings = [("setting", "here", "default"), *source.changed]
    stages = [("stage", "key", "state", "seconds")]
    stages += [
        (
            f"{stage['name']}" + ("" if stage["seed"] is None else f", seed {stage['seed']}"),
            stage["key"],
            stage["state"],
            "" if stage["seconds"] is None else f"{stage['seconds']:.1f}",
        )
        for stage in record["stages"]
    ]
    changed = (
        [table(settings, stack=False)]
        if source.changed
        else [paragraph("All settings are defaults.")]
    )
    return section(
        "Settings and origin",
        element("h3", "Settings that differ from the defaults"),
        *changed,
        element("h3", "Versions"),
        pairs(_versions(source)),
        element("h3", "Again"),
        paragraph(element("code", shlex.join(record["command"]))),
        folded(f"All {len(stages) - 1:,} stages", table(stages), paper=False),
    )


def _versions(source: Source) -> Iterator[tuple[str, str]]:
    record = source.record
    hardware, git = record["hardware"], record["git"]
    yield "tina-kit", record["tina_kit"]
    if git:
        yield "commit", git["commit"] + (" with changes" if git["dirty"] else "")
    yield from record["versions"].items()
    yield "plugins", ", ".join(record["plugins"])
    yield "machine", hardware.get("gpu") or hardware.get("cpu") or hardware["machine"]
    yield "computed on", f"{record['device']}, {record['precision']}"
    yield "CPU threads", str(hardware["threads"])
    yield "started", record["started"]
    if "ended" in record:
        yield "ended", record["ended"]
    yield "key of the run", record["key"]

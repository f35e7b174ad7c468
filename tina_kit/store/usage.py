"""How much of a store is what, and for whom."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tina_kit.store.collecting import Survey, total
from tina_kit.store.listing import size_of


def usage(survey: Survey) -> dict[str, Any]:
    """`bytes` in all; `stages`: by kind `results` and `bytes`; `names`: what each run, bundle and
    pin names, in all and `alone`, which is what would go with it; `unnamed`: what nobody names;
    `unfinished`: checkpoints of stages that are not finished; `notes`: all else."""
    named = survey.named
    stages: dict[str, Counter[str]] = {}
    sizes = {item.result: item.size for item in survey.items}
    for item in survey.items:
        stages.setdefault(item.stage, Counter()).update(results=1, bytes=item.size)
    names = []
    for name in survey.naming:
        there = [result for result in name.results if result in sizes]
        alone = sum(sizes[result] for result in there if len(named[result]) == 1)
        whole = {"results": len(there), "bytes": sum(map(sizes.__getitem__, there)), "alone": alone}
        names.append({"kind": name.kind, "what": name.what, "title": name.title, **whole})
    unnamed = [item for item in survey.items if item.result not in named]
    results, work = total(survey.items), total(survey.work)
    whole_store = size_of(survey.root)
    return {
        "store": str(survey.root),
        "bytes": whole_store,
        "stages": [{"stage": stage, **counted} for stage, counted in stages.items()],
        "names": sorted(names, key=lambda each: (-each["alone"], -each["bytes"], each["what"])),
        "unnamed": {"results": len(unnamed), "bytes": total(unnamed)},
        "unfinished": {"stages": len(survey.work), "bytes": work},
        "notes": {"bytes": max(0, whole_store - results - work)},
    }

"""Prints what lies in the store, for the commands of `store`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tina_kit.cli.layout import print_rows, print_wrapped
from tina_kit.report.amounts import age, amount

_LISTED = 20


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def print_results(rows: Sequence[Mapping[str, Any]]) -> None:
    table = [("stage/key", "size", "age", "for", "named by")]
    for row in rows:
        seconds = time.time() - datetime.fromisoformat(row["stored"]).timestamp()
        seed = "" if row["seed"] is None else f", seed {row['seed']}"
        name = row["name"] + seed if row["state"] == "whole" else row["state"]
        place = f"{row['stage']}/{row['key']}"
        table.append((place, amount(row["bytes"]), age(seconds), name, _namers(row["named_by"])))
    if rows:
        print_rows(table)
    print_wrapped(f"{plural(len(rows), 'result')}, {amount(sum(row['bytes'] for row in rows))}")


def _namers(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    kind, _, what = names[0].partition(" ")
    if kind == "run":  # its name and folder say enough
        what = "/".join(Path(what).parts[-2:])
    return f"{kind} {what}{more}"


def print_usage(facts: Mapping[str, Any]) -> None:
    print_wrapped(f"{facts['store']}: {amount(facts['bytes'])}")
    table = [("  stage", "results", "size")]
    for each in facts["stages"]:
        table.append((f"  {each['stage']}", f"{each['results']:,}", amount(each["bytes"])))
    unfinished = facts["unfinished"]
    if unfinished["stages"]:
        table.append(("  unfinished", f"{unfinished['stages']:,}", amount(unfinished["bytes"])))
    print_rows(table)
    if facts["names"]:
        print()
    heads = ("  results", "size", "alone", "named by")
    names = [
        (f"  {n['results']:,}", amount(n["bytes"]), amount(n["alone"]), f"{n['kind']} {n['what']}")
        for n in facts["names"]
    ]
    unnamed = facts["unnamed"]
    names.append((f"  {unnamed['results']:,}", amount(unnamed["bytes"]), "", "none"))
    print_rows([heads, *names])


def print_cleaning(facts: Mapping[str, Any]) -> None:
    deleted = facts["deleted"]
    results, unfinished = facts["results"], facts["unfinished"]
    for row in results[:_LISTED]:
        state = "" if row["state"] == "whole" else f", {row['state']}"
        name = f" ({row['name']}{state})" if row["name"] or state else ""
        print_wrapped(f"{row['stage']}/{row['key']}{name}, {amount(row['bytes'])}", "  ")
    if len(results) > _LISTED:
        print_wrapped(f"and {len(results) - _LISTED:,} more (`store ls --unnamed` lists all)", "  ")
    what = f"{plural(len(results), 'result')} and {plural(len(unfinished), 'unfinished stage')}"
    in_use = f"{plural(facts['kept'], 'result')} {'is' if facts['kept'] == 1 else 'are'} in use"
    if facts["bytes"]:
        verb = "deleted" if deleted else "would delete"
        print_wrapped(f"{verb} {what}: {amount(facts['bytes'])}; {in_use}")
    else:
        print_wrapped(f"nothing to remove; {in_use}")
    for name in facts["gone"]:
        print_wrapped(f"no longer there: {name}", "  ")
    for name in facts["unknown"]:
        print_wrapped(f"cannot be seen from here, so its results stay: {name}", "  ")
    older = facts["older"]
    if older["results"]:
        print_wrapped(
            f"{plural(older['results'], 'result')} ({amount(older['bytes'])}) may belong to runs "
            "of an older tina-kit and stay: say where those lie with --runs DIR"
        )
    if facts["unreadable"]:
        print_wrapped(f"{plural(facts['unreadable'], 'result')} cannot be read by you and stay")
    if facts["busy"]:
        print_wrapped(f"being computed, so they stay: {', '.join(facts['busy'])}")
    if not deleted and facts["bytes"]:
        print_wrapped("dry run: repeat with --yes to delete")

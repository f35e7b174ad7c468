"""What several commands need: plugins, seeds and finished runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tina_kit.api.errors import TinaKitError, UserError
from tina_kit.api.files import file_problem
from tina_kit.cli.layout import print_rows
from tina_kit.cli.options import STRICT
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.pipeline.personal import ReadyGenerator
    from tina_kit.plugins import Failure, Registry


@cache
def show_warnings() -> None:
    """Print the warnings that the library logs to stderr, like all other log lines."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log(f"warning: {self.format(record)}")

    logging.getLogger("tina_kit").addHandler(Handler(logging.WARNING))


def registry(files: Sequence[Path] = (), strict: bool = False) -> Registry:
    """All plugins and those of local files; those that failed are named in one line, and with
    --debug or TINA_KIT_DEBUG explained.

    strict: with TINA_KIT_STRICT_PLUGINS set too, a failure raises TinaKitError.
    """
    from tina_kit.plugins.discovery import load_file

    found = discovered()
    found.announce = log
    for file in files:
        if problem := file_problem(file):
            raise UserError(f"--plugin {file}: {problem}")
        failure = load_file(found, file, "named by --plugin")
        if failure is not None:
            explain([failure])
            raise UserError(f"--plugin {file}: {failure}")
    warn(found.failures, is_strict(strict))
    return found


def seeds_of(text: str | None) -> list[int] | None:
    """What `--seeds` says; None if it is not given. Raises UserError."""
    if text is None:
        return None
    try:
        seeds = [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds {text}: write whole numbers with commas, like 0,1,2") from None
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {text}: duplicate seed")
    return seeds


def discovered() -> Registry:
    """All installed plugins. Names the one that is being imported when Ctrl-C comes."""
    from tina_kit.plugins.discovery import InterruptedImport, discover

    try:
        return discover()
    except InterruptedImport as interrupt:
        log(interrupt.text)
        raise


def warn(failures: Sequence[Failure], strict: bool = False) -> None:
    """Name those plugins that cannot be used, in one line. strict: raises TinaKitError instead."""
    skipped = [failure for failure in failures if failure.left_out]
    explain(skipped)
    if strict and skipped:
        raise TinaKitError("\n".join(f"{failure}; {failure.remedy}" for failure in skipped))
    if skipped:
        log(f"warning: {_summary(skipped)}; see tina-kit doctor")


def is_strict(strict: bool) -> bool:
    """Whether it was asked for, by option or by environment variable."""
    return strict or os.environ.get(STRICT, "0") not in ("", "0")


def _summary(failures: Sequence[Failure]) -> str:
    if len(failures) == 1:
        return str(failures[0])
    names = ", ".join(f"{failure.entry_point} of {failure.owner}" for failure in failures)
    return f"{len(failures)} plugins were skipped: {names}"


def explain(failures: Sequence[Failure]) -> None:
    """Their tracebacks, where they are asked for."""
    if "--debug" in sys.argv or os.environ.get("TINA_KIT_DEBUG"):
        for failure in failures:
            log(failure.traceback)


def examined(ctx: typer.Context) -> Registry:
    """All plugins, each examined in a process of its own (`doctor`)."""
    from tina_kit.plugins.commands import accepted
    from tina_kit.plugins.examination import examine

    found = examine()
    own: Any = ctx.find_root().command
    _, refused = accepted(own.commands, found.commands)
    found.registry.failures += refused
    return found.registry


def print_failures(failures: Sequence[Failure]) -> None:
    """Distribution, version, entry point, stage, reason, file and remedy of each."""
    for failure in failures:
        works = "" if failure.left_out else " (its components can be used)"
        print(f"{failure.owner} {failure.version}".rstrip() + f", plugin {failure.entry_point}")
        table = [("stage", f"{failure.stage}{works}"), ("reason", failure.reason)]
        table += [("file", failure.file)] if failure.file else []
        print_rows([*table, ("remedy", failure.remedy)], "  ")


def open_generator(
    source: Path, name: str | None, seed: int | None, prompts: str, device: str, trust: bool
) -> ReadyGenerator:
    """A generator of a finished run or a bundle, for the commands that ask one."""
    if source.is_dir() or not source.exists():
        return open_run(source, device).generator(name, seed, prompts)
    from tina_kit.library import generator_with
    from tina_kit.pipeline.console import console

    show_warnings()
    return generator_with(
        registry(),
        source,
        name,
        seed=seed,
        prompts=prompts,
        device=device,
        observers=[console()],
        trust=trust,
    )


def open_run(folder: Path, device: str = "auto") -> FinishedRun:
    """A finished run, for the commands that generate or export from it."""
    from tina_kit.pipeline.console import console
    from tina_kit.pipeline.record import read_record

    read_record(folder)  # a wrong folder is told before torch is imported, which takes seconds
    from tina_kit.pipeline.finished import FinishedRun

    show_warnings()
    run = FinishedRun(folder, registry(), device, [console()])
    store = run.store.place
    if store != run.record["store"]:
        log(f"reading from the store {store} (TINA_KIT_STORE), not from {run.record['store']}")
    return run

"""Examines third-party plugins, each in its own process.

Whatever a plugin does there (raise, exit, print, hang, crash) affects only that process, which
writes its findings to a file line by line (`tina_kit.plugins.checkup`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tina_kit.api.component import OWN, Component
from tina_kit.plugins.commands import commands_of
from tina_kit.plugins.discovery import add, importing, installed
from tina_kit.plugins.failure import Failure, Refused
from tina_kit.plugins.plugin import Loaded, Plugin
from tina_kit.plugins.registry import Registry

LIMIT_S = 20.0
"""Time limit in seconds for one step, such as importing a plugin or one component's code."""
_AT_ONCE = 4
_CODE = "import sys; sys.path[:] = sys.argv[2:]; from tina_kit.plugins import checkup; "
_CODE += "checkup.main(sys.argv[1])"


@dataclass
class Examined:
    """All plugins, with everything that is wrong with them. commands: the names of each plugin's
    commands, which may clash with those of tina-kit or another plugin."""

    registry: Registry = field(default_factory=Registry)
    commands: list[tuple[Plugin, dict[str, None]]] = field(default_factory=list)


def examine() -> Examined:
    """Examine all enabled plugins, including the code of their components; takes seconds.

    tina-kit's own plugins are imported in this process.
    """
    examined = Examined()
    registry = examined.registry
    found = installed()
    for plugin, point in found:
        if plugin.owner == OWN:
            add(registry, plugin, importing(plugin, point))
    for loaded in registry.plugins:
        commands, wrong = commands_of(loaded)
        examined.commands.append((loaded.plugin, dict.fromkeys(commands)))
        registry.failures += wrong
    for report in _reports([pair for pair in found if pair[0].owner != OWN]):
        registry.failures += report.failures
        examined.commands.append((report.plugin, dict.fromkeys(report.commands)))
        if report.components is not None:
            try:
                registry.add(Loaded(report.plugin, report.components, hooks=None))
            except Refused as error:
                registry.failures.append(report.plugin.failure("components", error))
    return examined


@dataclass
class _Report:
    """The findings about one plugin. components: None if it cannot be used. doing: the stage and
    the step that began last."""

    plugin: Plugin
    components: tuple[Component, ...] | None = None
    commands: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    doing: tuple[str, str] = ("import", "it was starting")
    done: bool = False

    def add(self, line: dict[str, Any]) -> None:
        self.done = self.done or "done" in line
        self.doing = tuple(line.get("doing", self.doing))
        self.commands += line.get("commands", ())
        self.failures += map(Failure.of_facts, line.get("failures", ()))
        if "components" in line:
            self.components = tuple(
                Component(**{**facts, "needs": tuple(facts["needs"])})
                for facts in line["components"]
            )


class _Process:
    """The process that examines one plugin."""

    def __init__(self, plugin: Plugin, point: EntryPoint, file: Path) -> None:
        self.plugin, self.file = plugin, file
        file.touch()
        self.size, self.since, self.late = 0, time.monotonic(), False
        request = {"plugin": asdict(plugin), "value": point.value, "file": str(file)}
        path = [place or os.getcwd() for place in sys.path]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(request), *path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ended(self) -> bool:
        """Whether it has ended; kills it if its current step takes too long."""
        size, now = self.file.stat().st_size, time.monotonic()
        if size != self.size:
            self.size, self.since = size, now
        if self.process.poll() is not None:
            return True
        self.late = now - self.since > LIMIT_S
        if self.late:
            self.end()
        return self.late

    def end(self) -> None:
        """Kill the process and its children."""
        if self.process.poll() is None:
            with suppress(AttributeError, OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def report(self) -> _Report:
        report = _Report(self.plugin)
        for line in self.file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # a complete line
                report.add(json.loads(line))
        if not report.done:
            stage, doing = report.doing
            code = self.process.returncode
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            reason = f"its process ended {how} while {doing}"
            if self.late:
                reason = f"{doing} for more than {LIMIT_S:g} s"
            known = report.components is not None
            report.failures.append(self.plugin.failure(stage, Refused(reason), left_out=not known))
        return report


def _reports(found: list[tuple[Plugin, EntryPoint]]) -> Iterator[_Report]:
    """A report on each plugin, in order; several are examined in parallel."""
    with TemporaryDirectory() as folder:
        waiting = list(enumerate(found))
        running: list[_Process] = []
        started: list[_Process] = []
        try:
            while waiting or running:
                while waiting and len(running) < _AT_ONCE:
                    number, (plugin, point) = waiting.pop(0)
                    started.append(_Process(plugin, point, Path(folder, f"{number}.jsonl")))
                    running.append(started[-1])
                running = [process for process in running if not process.ended()]
                time.sleep(0.01)
            reports = [process.report() for process in started]
        finally:
            for process in started:
                process.end()
    yield from reports

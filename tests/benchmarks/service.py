"""The service under load: p-Models from `tina-kit serve` in a process of its own, each compared
with the offline one.

Run `python -m tests.benchmarks.service --source BUNDLE` (by default a quickstart of the profile
`smoke` is run for it, whose generator is smaller). For each number of clients it says p50, p99 and
p-Models a second; then `--requests` come from 64 clients in random order, of which 1% are hostile,
and nothing may be lost, mixed up or kept in memory. Nothing comes from the service's cache.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import tina_kit
from tests.service.process import service
from tina_kit.pipeline.personal import ReadyGenerator

HOSTILE = 0.01  # of the requests
_CLASSES = 10
_HEAD = "{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
Task = tuple[str, ...]


@dataclass
class Tally:
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    hostile: int = 0


def tasks_of(generator: ReadyGenerator, count: int) -> list[Task]:
    """Different ones, of known and of made-up names."""
    choice = random.Random(0)
    names = [*generator.source.class_names, *(f"shape {number}" for number in range(20))]
    found: dict[Task, None] = {}
    while len(found) < count:
        found[tuple(choice.sample(names, choice.choice((2, 5, _CLASSES, _CLASSES))))] = None
    return list(found)


def offline(generator: ReadyGenerator, tasks: Sequence[Task]) -> dict[Task, str]:
    """The hash of each task's p-Model."""
    found = {}
    for first in range(0, len(tasks), 256):
        part = tasks[first : first + 256]
        for task, model in zip(part, generator.generate([list(task) for task in part])):
            found[task] = hashlib.sha256(model.content()).hexdigest()
    return found


class Client:
    """One connection, opened again where the service has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, place: str, kind: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; (0, b"") if the connection was closed."""
        reader, writer = await self.connected()
        try:
            writer.write(_HEAD.format(method, place, kind, len(body)).encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = re.search(rb"(?i)content-length: (\d+)", head)
            answer = await reader.readexactly(int(lengths[1]) if lengths else 0)
        except (asyncio.IncompleteReadError, OSError):
            self.close()
            return 0, b""
        if re.search(rb"(?i)connection: close", head):
            self.close()
        return int(head.split(b" ", 2)[1]), answer

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def make(client: Client, task: Task, tally: Tally, expected: dict[Task, str]) -> None:
    body = json.dumps({"classes": task, "format": "safetensors"}).encode()
    begun = time.perf_counter()
    status, content = await client.ask("POST", "/v1/models", "application/json", body)
    tally.seconds.append(time.perf_counter() - begun)
    if status != 200:
        tally.wrong.append(f"{status}: {content[:200]!r}")
    elif hashlib.sha256(content).hexdigest() != expected[task]:
        tally.wrong.append(f"other bits for {task}")


async def attack(client: Client, choice: random.Random, tally: Tally) -> None:
    """Something that must be refused, or that goes away in between."""
    tally.hostile += 1
    many = json.dumps({"classes": [f"class {number}" for number in range(5000)]}).encode()
    attacks = [
        ("POST", "/v1/models", "application/json", b'{"classes": ['),
        ("POST", "/v1/models", "application/json", b"[" * 100_000),
        ("POST", "/v1/models", "application/json", b'{"classes": ["dog", "DOG"]}'),
        ("POST", "/v1/models", "application/json", many),
        ("POST", "/v1/models", "application/json", b" " * (2 << 20)),
        ("POST", f"/v1/models/{'0' * 32}/predict", "image/png", os.urandom(1000)),
        ("DELETE", "/v1/models/%00", "text/plain", b""),
        ("GET", "/" + "x" * 70_000, "text/plain", b""),
        None,
    ]
    chosen = choice.choice(attacks)
    if chosen is None:  # half of a request, and away
        _, writer = await client.connected()
        writer.write(_HEAD.format("POST", "/v1/models", "application/json", 1000).encode() + b"{")
        with suppress(OSError):
            await writer.drain()
        client.close()
        return
    status, content = await client.ask(*chosen)
    # A connection that is closed while the body is still being sent may lose the answer.
    if not (400 <= status < 500 or (status == 0 and len(chosen[3]) + len(chosen[1]) > 50_000)):
        tally.wrong.append(f"hostile {chosen[1][:30]}: {status} {content[:100]!r}")


async def load(
    port: int, clients: int, tasks: Iterable[Task], expected: dict[Task, str], hostile: float
) -> Tally:
    """Each client asks as soon as it has its answer."""
    tally, waiting, choice = Tally(), iter(tasks), random.Random(1)

    async def one() -> None:
        client = Client(port)
        for task in waiting:
            if choice.random() < hostile:
                await attack(client, choice, tally)
            await make(client, task, tally, expected)
        client.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return tally


def memory_mib(process: int) -> float:
    """Resident, now."""
    text = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else float("nan")


def cpu_s(process: int) -> float:
    """Processor seconds that it has used, of all its threads."""
    text = Path(f"/proc/{process}/stat").read_text()
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def report(name: str, tally: Tally, seconds: float) -> None:
    milliseconds = sorted(1000 * each for each in tally.seconds)
    p50 = statistics.median(milliseconds)
    p99 = milliseconds[int(0.99 * (len(milliseconds) - 1))]
    rate = len(milliseconds) / seconds
    print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {rate:.0f} p-Models/s", flush=True)
    for line in tally.wrong[:5]:
        print(f"  {line}")
    assert not tally.wrong, f"{len(tally.wrong)} answers are wrong"


def measure(source: Path, requests: int, each: int) -> None:
    generator = tina_kit.load_generator(source)
    counts = (1, 16, 64)
    tasks = tasks_of(generator, len(counts) * each + requests)
    expected = offline(generator, tasks)
    with service(source) as running:
        port, process = running.port, running.process.pid
        asyncio.run(load(port, 1, tasks[:1], expected, 0))
        for place, clients in enumerate(counts):
            some = tasks[place * each : (place + 1) * each]
            begun = time.perf_counter()
            tally = asyncio.run(load(port, clients, some, expected, 0))
            report(f"{clients} clients", tally, time.perf_counter() - begun)
        rest, held, spent = tasks[len(counts) * each :], [memory_mib(process)], cpu_s(process)
        for part in range(4):
            some = rest[part * len(rest) // 4 : (part + 1) * len(rest) // 4]
            begun = time.perf_counter()
            tally = asyncio.run(load(port, 64, some, expected, HOSTILE))
            name = f"{len(tally.seconds)} of 64 clients beside {tally.hostile} hostile ones"
            report(name, tally, time.perf_counter() - begun)
            held.append(memory_mib(process))
        milliseconds = 1000 * (cpu_s(process) - spent) / len(rest)
        print(f"the service takes {milliseconds:.2f} ms of a processor for a p-Model")
        print(f"none lost, none mixed up; memory {', '.join(f'{each:.0f}' for each in held)} MiB")


def smoke(folder: Path) -> Path:
    """A bundle of the quickstart."""
    with patch.dict(os.environ, TINA_KIT_STORE=str(folder / "store")):
        run = tina_kit.run("quickstart", profile="smoke", output=folder / "runs", observers=[])
        tina_kit.bundle(run, folder / "quickstart.tina")
    return folder / "quickstart.tina"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="a bundle or a run folder")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--each", type=int, default=600, help="requests per number of clients")
    parser.add_argument("--tiny", action="store_true", help="to see that it runs")
    given = parser.parse_args()
    sizes = (80, 8) if given.tiny else (given.requests, given.each)
    with tempfile.TemporaryDirectory() as folder:
        measure(given.source or smoke(Path(folder)), *sizes)


if __name__ == "__main__":
    main()

"""Asks the process that exports p-Models, and starts it again where it was lost."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

from tina_kit.api import TinaKitError, UserError
from tina_kit.service.limits import Limits
from tina_kit.service.problems import Busy

_AT_ONCE = 1 << 30  # the largest answer; asyncio bounds lines alone


class Exports:
    """One export after another. Its process is started with the first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: asyncio.subprocess.Process | None = None

    async def export(self, content: bytes, form: str) -> bytes:
        """A p-Model's file in another format. Raises Busy if too many wait, UserError for what
        cannot be exported, and TinaKitError if it fails or takes too long."""
        if self._waiting >= self._limits.exports:
            raise Busy("too many exports are waiting", self._waiting * 3)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._ask(content, form)
        finally:
            self._waiting -= 1

    async def _ask(self, content: bytes, form: str) -> bytes:
        done = False
        try:
            made = await asyncio.wait_for(self._exchange(content, form), self._limits.export_s)
            done = True
            return made
        except asyncio.TimeoutError:
            raise TinaKitError(f"exporting as {form} took too long") from None
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            raise TinaKitError(f"exporting as {form} failed") from error
        except TinaKitError:
            done = True
            raise
        finally:
            if not done:  # also if whoever asked has gone: the answer would be the next one's
                await self.stop()

    async def _exchange(self, content: bytes, form: str) -> bytes:
        process = await self._running()
        assert process.stdin is not None and process.stdout is not None
        head = json.dumps({"format": form, "size": len(content)})
        process.stdin.write(head.encode() + b"\n" + content)
        await process.stdin.drain()
        return await _answered(process.stdout, form)

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tina_kit.service.exporter",
                stdin=pipe,
                stdout=pipe,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the service
            )
        return self._process

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _answered(out: asyncio.StreamReader, form: str) -> bytes:
    told = json.loads(await out.readline())
    made = await out.readexactly(min(told["size"], _AT_ONCE))
    if told.get("problem") == "message":
        raise UserError(made.decode())
    if "problem" in told:
        raise TinaKitError(f"exporting as {form} failed: {made.decode()}")
    return made

"""A language model, which here is a small server on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tina_conditioners.llm import LlmDescriptions, answers_folder
from tina_conditioners.ngrams import HashedNgrams
from tina_conditioners.options import HashedNgramsOptions, LlmDescriptionsOptions

KEY = "a-secret-key"
TEXT = HashedNgrams(HashedNgramsOptions(width=16))
Raw = Callable[[BaseHTTPRequestHandler], None]


class Endpoint:
    """Plays its script, one entry a request, and answers "Round." when that is over.

    An entry is an answer, a status to fail with, the bytes of a body, a float: seconds to sleep
    before answering, or what answers in place of the server, given its handler.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.script: list[str | int | bytes | float | Raw] = []
        self.requests: list[tuple[str, Any, dict[str, str]]] = []


@contextmanager
def serving() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append((self.path, body, dict(self.headers)))
            entry = state.script.pop(0) if state.script else "Round."
            if callable(entry):
                with suppress(OSError):  # nobody listens any more
                    entry(self)
                self.close_connection = True
                return
            if isinstance(entry, float):
                time.sleep(entry)
            message = {"role": "assistant", "content": entry if isinstance(entry, str) else "Late."}
            reply = json.dumps({"choices": [{"message": message}]}).encode()
            try:
                self.send_response(entry if isinstance(entry, int) else 200)
                self.end_headers()
                self.wfile.write(entry if isinstance(entry, bytes) else reply)
            except OSError:
                pass  # nobody waited for a late answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def made(endpoint: Endpoint, **options: Any) -> LlmDescriptions:
    settings = {"endpoint": endpoint.url, "retries": 2, "backoff": 0.0, "timeout": 5.0} | options
    return LlmDescriptions(LlmDescriptionsOptions(**settings), text=TEXT)


def answers() -> list[Path]:
    return sorted(answers_folder().glob("*"))

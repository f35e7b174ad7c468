"""What huggingface_hub asks of the Hub to upload files and to download one, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_a_token_that_may_write"


@dataclass
class Hub:
    """repositories: by name, the versions of their files, oldest first; private: those that only
    TOKEN may read; damage: bytes that are served in place of a file's own; answer: a status that
    every request gets; asked: what was asked, as method and path."""

    address: str = ""
    repositories: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    objects: dict[str, bytes] = field(default_factory=dict)
    damage: dict[str, bytes] = field(default_factory=dict)
    answer: int = 0
    asked: list[str] = field(default_factory=list)


@contextmanager
def hub() -> Iterator[Hub]:
    """A Hub that answers as long as the block lasts."""
    state = Hub()

    class Handler(_Handler):
        hub = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def commit_of(number: int) -> str:
    return f"{number:040x}"


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._get()

    def do_HEAD(self) -> None:
        self._get()

    def do_PUT(self) -> None:
        content = self._body()
        oid = self.path.rpartition("/")[2]
        if hashlib.sha256(content).hexdigest() != oid:
            return self._send(400)
        self.hub.objects[oid] = content
        self._send(200)

    def do_POST(self) -> None:
        body, path = self._body(), urlsplit(self.path).path
        self.hub.asked.append(f"POST {path}")
        if self.hub.answer:
            return self._send(self.hub.answer, {"error": "as the test wants"})
        if path == "/api/validate-yaml":
            return self._send(200, {"errors": [], "warnings": []})
        if self._token() != TOKEN:
            return self._send(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if asked["organization"] == "somebody-else":
                return self._send(403, {"error": "You don't have the rights to create a model"})
            url = {"url": f"{self.hub.address}/{name}", "name": name, "id": "1"}
            if name in self.hub.repositories:
                return self._send(409, url | {"error": "You already created this model repo"})
            self.hub.repositories[name] = [{".gitattributes": b""}]
            if asked.get("private") or asked.get("visibility") == "private":
                self.hub.private.add(name)
            return self._send(200, url)
        name = path.removeprefix("/api/models/").removeprefix("/")
        if "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".tina") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self._send(200, {"files": files})
        if path.endswith(".git/info/lfs/objects/batch"):
            there = [self._object(each) for each in json.loads(body)["objects"]]
            return self._send(200, {"transfer": "basic", "objects": there})
        if "/commit/" in path:
            return self._commit(name.partition("/commit/")[0], body)
        self._send(404, {"error": "Not found"})

    def _object(self, asked: dict[str, Any]) -> dict[str, Any]:
        place = {"upload": {"href": f"{self.hub.address}/lfs/{asked['oid']}", "header": {}}}
        return {**asked, **({} if asked["oid"] in self.hub.objects else {"actions": place})}

    def _commit(self, name: str, body: bytes) -> None:
        versions = self.hub.repositories[name]
        files = dict(versions[-1])
        for line in body.decode().splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        versions.append(files)
        commit = commit_of(len(versions))
        url = f"{self.hub.address}/{name}/commit/{commit}"
        self._send(200, {"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def _get(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.asked.append(f"{self.command} /{path}")
        if self.hub.answer:
            return self._send(self.hub.answer, {"error": "as the test wants"})
        name, _, rest = path.removeprefix("api/models/").partition("/resolve/")
        if path.startswith("api/models/"):
            name, _, rest = path.removeprefix("api/models/").partition("/revision/")
        revision, _, file = rest.partition("/")
        versions = self.hub.repositories.get(name)
        if versions is None or (name in self.hub.private and self._token() != TOKEN):
            return self._send(401, {"error": "Repository not found"}, code="RepoNotFound")
        known = {commit_of(n): files for n, files in enumerate(versions, 1)}
        commit = commit_of(len(versions)) if revision in ("", "main") else revision
        if commit not in known:
            return self._send(404, {"error": "Invalid rev id"}, code="RevisionNotFound")
        if path.startswith("api/models/"):
            siblings = [{"rfilename": each} for each in known[commit]]
            return self._send(200, {"id": name, "sha": commit, "siblings": siblings})
        if file not in known[commit]:
            return self._send(404, {"error": "Entry not found"}, code="EntryNotFound")
        content = known[commit][file]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        self._send(200, self.hub.damage.get(file, content), headers=headers)

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(
        self,
        status: int,
        content: bytes | dict[str, Any] = b"",
        headers: dict[str, str] | None = None,
        code: str = "",
    ) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for key, value in {**(headers or {}), **({"X-Error-Code": code} if code else {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

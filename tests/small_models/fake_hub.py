# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub on this computer: the API's listing and files with ranges, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"
Fault = Callable[["Request"], bool]
"""Answers a request for a file itself and returns True, or returns False to have it served."""


class Request(BaseHTTPRequestHandler):
    """One request; ``answer`` and ``cut`` are what faults use."""

    protocol_version = "HTTP/1.1"
    server: FakeHub

    def do_GET(self) -> None:
        self.server.hub_requests.append((self.path, self.headers.get("Range", "")))
        self.server.tokens.append(self.headers.get("Authorization"))
        path = unquote(urlsplit(self.path).path)
        if self.server.always and self.server.always(self):
            return
        listing = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repository, revision = (listing or file or {1: "", 2: ""})[1], (listing or file or {1: "", 2: ""})[2]
        if repository != self.server.repository:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif revision not in (None, "main", REVISION):
            self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif listing:
            self.answer(200, json.dumps(self.server.listing()).encode())
        elif file:
            self._file(file[3])
        else:
            self.answer(404, b"")

    def _file(self, name: str) -> None:
        faults = self.server.faults.get(name, [])
        if faults and faults.pop(0)(self):
            return
        content = self.server.content(name)
        if content is None:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and self.server.knows_ranges:
            start = int(wanted[1])
            span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            self.answer(206, content[start:], span)
        else:
            self.answer(200, content)

    def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def cut(self, content: bytes, after: int) -> None:
        """Send the first bytes of a file and close the connection."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:after])
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


class FakeHub(ThreadingHTTPServer):
    """Serves a folder as the repository ``owner/tiny``; use it as a context manager.

    Attributes:
        faults: for a path, what happens at each of the next requests for it.
        always: a fault at every request, or None.
        hub_requests: (path, range) of all requests so far.
        tokens: the Authorization header of each.
    """

    daemon_threads = True
    repository = "owner/tiny"

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.folder = folder
        self.faults: dict[str, list[Fault]] = {}
        self.always: Fault | None = None
        self.hub_requests: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        self.knows_ranges = True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def content(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def fetched(self, name: str) -> list[str]:
        """Return the ranges asked for of a file, oldest first."""
        return [span for path, span in self.hub_requests if path.endswith(f"/{name}")]

    def listing(self) -> dict:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {
            "id": self.repository,
            "sha": REVISION,
            "siblings": [self._entry(path) for path in files],
        }

    def _entry(self, path: Path) -> dict:
        content, name = path.read_bytes(), path.relative_to(self.folder).as_posix()
        entry: dict = {"rfilename": name, "size": len(content)}
        if path.suffix in (".safetensors", ".bin"):
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
        else:
            blob = b"blob %d\0" % len(content) + content
            entry["blobId"] = hashlib.sha1(blob).hexdigest()
        return entry

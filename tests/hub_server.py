"""A server on this machine that speaks as much of the Hub's protocol as fetching a file takes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef" * 2 + "01234567"
REPOSITORY = "someone/ccnet"


class HubServer(ThreadingHTTPServer):
    """Serves `files` of one repository at `COMMIT`, which `main` and the tag `v1` mean.

    A file's address leads on to another host for its content, as that of a large file does.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.revisions = {COMMIT, "main", "v1"}
        self.requests: list[str] = []
        self.status: int | None = None
        """What each request is answered with, if anything."""
        self.cuts = 0
        """How many of the next downloads end after a third of their bytes."""
        self.served: bytes | None = None
        """What is served in the place of any file."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server
        hub.requests.append(f"{self.command} {self.path}")
        if hub.status is not None:
            self._send(hub.status)
        elif self.path.startswith("/content/"):
            self._send_content(self.path.removeprefix("/content/"))
        else:
            self._send_address()

    def _send_address(self) -> None:
        hub = self.server
        repository, _, rest = self.path.removeprefix("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        if repository != REPOSITORY:
            self._send(401, {"X-Error-Code": "RepoNotFound"})
        elif revision not in hub.revisions:
            self._send(404, {"X-Error-Code": "RevisionNotFound"})
        elif file not in hub.files:
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        else:
            content = hub.files[file]
            facts = {
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": str(len(content)),
                "Location": f"http://localhost:{hub.server_port}/content/{file}",
            }
            self._send(302, facts)

    def _send_content(self, file: str) -> None:
        hub = self.server
        content = hub.files[file] if hub.served is None else hub.served
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        facts = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        end = len(content)
        if hub.cuts:
            hub.cuts -= 1
            end = start + (len(content) - start) // 3
        self._send(206 if start else 200, facts if start else {}, content[start:], end - start)

    def _send(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        content: bytes = b"",
        length: int | None = None,
    ) -> None:
        """Answer; with a `length` of fewer bytes than `content` has, break off there."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:length])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing on standard error."""


@contextmanager
def hub_server() -> Iterator[HubServer]:
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

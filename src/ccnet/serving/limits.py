"""What every request meets before anything else: who asks, for what, and how much it sends."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ccnet.serving.metrics import Metrics
from ccnet.serving.page_files import check_room
from ccnet.serving.refusals import (
    Refusal,
    client_gone,
    internal_error,
    nothing_there,
    too_much_held,
)
from ccnet.serving.settings import Settings

METHODS = {
    "/v1/restore": "POST",
    "/v1/models": "GET",
    "/healthz": "GET",
    "/readyz": "GET",
    "/metrics": "GET",
    "/openapi.json": "GET",
    "/docs": "GET",
}
"""The paths of the API, and the method that each takes."""

_UPLOAD = "/gradio_api/upload"
_ASSET = r"[\w./-]{1,200}"  # no name that is too long for a file, which would be an error
# What /docs consists of, with a page or without.
_DOCS = re.compile(rf"/static-offline-docs/{_ASSET}", re.ASCII)
# What the page needs of Gradio, which offers far more: of file=, only paths on this machine, for it
# would fetch addresses and hand on what any host answers.
_PAGE = re.compile(
    rf"/|/(config|theme\.css|favicon\.ico|manifest\.json)|/(assets|static)/{_ASSET}"
    r"|/gradio_api/(upload|upload_progress|queue/(join|data)|run/predict|cancel|reset|app_id|info"
    r"|startup-events|file=/.+)",
    re.ASCII,
)
OPEN = ("/healthz", "/readyz")
"""Paths that ask for no token, and are answered when all others are refused."""
_UPLOADED_AT_ONCE = 4  # times the largest file, for the page's batches
_LINGER = 2.0  # seconds in which a refused sender may go on, so as to read why

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
_POLICY_API = "default-src 'none'; frame-ancestors 'none'"
_POLICY_FILE = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
# Gradio and Swagger put scripts and styles into their pages.
_POLICY_PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "worker-src 'self' blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)

_log = logging.getLogger("ccnet.serving")


class Gate:
    """ASGI middleware around the whole server.

    It refuses what is not served and bodies that are too large or too slow, counted while they
    arrive; it adds safe headers to every answer; and it counts and logs what was answered.

    Args:
        app: What is served.
        settings: Its bounds.
        metrics: Where to count.
        check_queue: Raises the `Refusal` of a picture that could not wait now.
        folder: Where the page's files are; None if there is no page.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        metrics: Metrics,
        check_queue: Callable[[], None],
        folder: Path | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._check_queue = check_queue
        self._folder = folder
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        answer = _Answer(scope["path"], send)
        body = _Body(self, receive, began + self._settings.arrival_seconds)
        try:
            if scope["method"] == "HEAD":  # the server leaves out the body of what is answered
                scope = {**scope, "method": "GET"}
            await self._check_head(scope, body)
            with suppress(_Refused):
                await self._app(scope, body.receive, answer.send_unless(body))
        except Refusal as refusal:
            body.refusal = refusal
        except ClientDisconnect:
            body.refusal = client_gone()
        except Exception:  # noqa: BLE001 - the next request must be served
            if body.refusal is None:
                _log.exception("A request failed.")
                body.refusal = internal_error()
        finally:
            self._let_go(body.size)
        if body.refusal and not answer.status:
            await answer.refuse(body.refusal, receive if body.more else None)
        route = scope["path"] if scope["path"] in METHODS else "page"
        self._metrics.answered(route, answer.status, time.monotonic() - began)
        if answer.code:
            self._metrics.refused(answer.code)
        told = route == "/v1/restore" or answer.status >= 400
        level = logging.INFO if told else logging.DEBUG  # a page asks for a hundred files
        _log.log(level, "%s %s in %.3f s", route, answer.status, time.monotonic() - began)

    def hold(self, size: int) -> None:
        """Count bytes that arrived; raises `Refusal` where there are too many of all requests."""
        self._held += size
        self._metrics.held.set(self._held)
        if self._held > self._settings.max_held_bytes:
            raise too_much_held()

    def _let_go(self, size: int) -> None:
        self._held -= size
        self._metrics.held.set(self._held)

    async def _check_head(self, scope: Scope, body: _Body) -> None:
        path, headers = scope["path"], Headers(scope=scope)
        if path not in OPEN and scope.get("state", {}).get("crowded"):
            sentence = "The server has as many connections as it may; try again later."
            again = {"Retry-After": "10", "Connection": "close"}  # on one that may be let in
            raise Refusal("too_many_connections", sentence, again)
        token = self._settings.token
        if token and path not in OPEN and not _knows(headers.get("authorization", ""), token):
            scheme = "Bearer" if path in METHODS and path != "/docs" else 'Basic realm="ccnet"'
            sentence = "This server asks for its token, as bearer or as a password."
            raise Refusal("unauthorized", sentence, {"WWW-Authenticate": scheme})
        if path in METHODS:
            if scope["method"] != METHODS[path]:
                sentence = f"{path} takes {METHODS[path]} only."
                raise Refusal("method_not_allowed", sentence, {"Allow": METHODS[path]})
        elif not _DOCS.fullmatch(path) and (self._folder is None or not _PAGE.fullmatch(path)):
            raise nothing_there()
        if scope["method"] == "POST" and headers.get("sec-fetch-site") == "cross-site":
            raise Refusal("cross_site", "Pages of other sites may not use this server.")
        body.most = self._settings.max_bytes
        if path == _UPLOAD:
            body.most *= _UPLOADED_AT_ONCE
            if self._folder:
                most = self._settings.max_held_bytes
                await asyncio.to_thread(check_room, self._folder, most)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > body.most:
            raise _too_large(body.most)
        if path == "/v1/restore":  # before megabytes arrive in vain
            self._check_queue()


class _Refused(Exception):
    """Ends an application whose request was refused while its body arrived."""


class _Body:
    """A request's body, which refuses itself when it is too large or too slow."""

    def __init__(self, gate: Gate, receive: Receive, deadline: float) -> None:
        self.refusal: Refusal | None = None
        self.more = True
        self.size = 0
        self.most = 0
        self._gate = gate
        self._receive = receive
        self._deadline = deadline

    async def receive(self) -> Message:
        if self.refusal:
            raise _Refused
        if not self.more:
            return await self._receive()
        try:
            return await self._next()
        except Refusal as refusal:
            self.refusal = refusal
            raise _Refused from refusal

    async def _next(self) -> Message:
        try:
            left = self._deadline - time.monotonic()
            # What has arrived is taken, however late a busy server comes to read it.
            message = await asyncio.wait_for(self._receive(), max(left, 0.001))
        except asyncio.TimeoutError as error:
            raise Refusal("body_too_slow", "The request's body took too long to arrive.") from error
        size = len(message.get("body", b""))
        self.size += size
        self.more = bool(message.get("more_body"))
        self._gate.hold(size)
        if self.size > self.most:
            raise _too_large(self.most)
        return message


class _Answer:
    """An answer on its way out, with its status and, for a refusal of the gate's, its code."""

    def __init__(self, path: str, send: Send) -> None:
        self.status = 0
        self.code: str | None = None
        self._path = path
        self._send = send

    def send_unless(self, body: _Body) -> Send:
        """Give what an application sends by, unless its request was refused meanwhile."""

        async def send(message: Message) -> None:
            if body.refusal and not self.status:
                raise _Refused
            if message["type"] == "http.response.start":
                self._start(message)
            await self._send(message)

        return send

    async def refuse(self, refusal: Refusal, rest: Receive | None) -> None:
        """Tell a refusal; the rest of a body is thrown away for a moment, so that it is read."""
        for_page = self._path == _UPLOAD  # Gradio shows what an upload is answered as it is
        data = str(refusal).encode() if for_page else refusal.body()
        headers = {
            "Content-Type": "text/plain; charset=utf-8" if for_page else "application/json",
            "Content-Length": str(len(data)),
            "CCNet-Code": refusal.code,
            **refusal.headers,
        }
        if rest:
            headers["Connection"] = "close"
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        message = {"type": "http.response.start", "status": refusal.status, "headers": raw}
        self._start(message)
        await self._send(message)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        if rest:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_throw_away(rest), _LINGER)
        await self._send({"type": "http.response.body", "body": b""})

    def _start(self, message: Message) -> None:
        self.status = message["status"]
        headers = MutableHeaders(scope=message)
        headers.update(_HEADERS)
        self.code = headers.get("CCNet-Code")
        if self._path in METHODS and self._path != "/docs":
            headers["Content-Security-Policy"] = _POLICY_API
            headers["Cache-Control"] = "no-store"
        elif self._path.startswith("/gradio_api/"):
            headers["Content-Security-Policy"] = _POLICY_FILE
            headers["Cache-Control"] = "no-store"
        else:
            headers["Content-Security-Policy"] = _POLICY_PAGE


async def _throw_away(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


def _knows(authorization: str, token: str) -> bool:
    """Whether a header proves to know the token, as bearer or as the password of any user."""
    scheme, _, given = authorization.partition(" ")
    secret = given.strip().encode("latin-1")  # the bytes that came
    if scheme.lower() == "basic":
        try:
            secret = base64.b64decode(secret, validate=True).partition(b":")[2]
        except binascii.Error:
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(secret, os.fsencode(token))


def _too_large(most: int) -> Refusal:
    return Refusal("body_too_large", f"The request is larger than {most / 1e6:g} MB.")

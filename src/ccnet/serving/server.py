"""Running the server: listening, clients that neither send nor read, stopping in good order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ccnet.errors import UsageError, reason_of
from ccnet.serving.page_files import forgetting, page_folder
from ccnet.serving.settings import Settings

if TYPE_CHECKING:
    from ccnet.serving.service import RestorationService

_LAST_BYTES_SECONDS = 1.0

_HEAD_SECONDS = 10.0
"""In which the head of a request must come, so that those who send nothing hold nobody up."""

_TOLD_WHY = 64
"""Connections beyond those that there may be, which are told so and asked for the server's health;
the ones after these are closed at once."""

_log = logging.getLogger("ccnet.serving")


def serve(settings: Settings) -> None:
    """Serve until a signal asks to stop; what runs then is finished, and what is new refused.

    Raises:
        CCNetError: A model, device or engine that the settings name is not there, or the address
            cannot be listened on.
    """
    with _listening(settings.host, settings.port) as listening, page_folder() as folder:
        # Gradio reads these when it is imported.
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        from ccnet.serving.app import make_app

        app, service = make_app(settings, folder)
        config = uvicorn.Config(
            app,
            http=partial(_Protocol, settings),  # type: ignore[arg-type]
            loop="asyncio",  # also where another extra brings uvloop
            ws="none",
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_graceful_shutdown=round(settings.request_seconds),
        )
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _log.info("Serving on http://%s:%s", shown, port)
        # Uvicorn raises the signal again when all is done, which would skip what follows here.
        signal.signal(signal.SIGTERM, lambda *_: None)
        with suppress(KeyboardInterrupt), forgetting(folder):
            _Server(config, service).run([listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(f"{host}:{port} cannot be listened on: {reason_of(error)}.") from error


class _Protocol(H11Protocol):
    """HTTP/1.1 that closes connections on which a request's head is late, or an answer not read.

    An answer that is not read is seen once to twice as late. Of connections beyond those that there
    may be, requests find "crowded" in their state, and those far beyond are closed, too.
    """

    def __init__(self, settings: Settings, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = settings.max_connections
        self._head_seconds = min(settings.arrival_seconds, _HEAD_SECONDS)
        self._read_seconds = settings.arrival_seconds
        self._late: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "crowded": len(self.connections) > self._most}
        if len(self.connections) > self._most + _TOLD_WHY:
            transport.close()
        self._expect_head()
        self._expect_reader()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._unread = 0  # for much was read since, even if as much is written until the next look
        super().resume_writing()

    def _expect_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self._late is None:
            self._late = self.loop.call_later(self._head_seconds, self.transport.close)

    def _expect_reader(self) -> None:
        """Look now and then whether the client takes any of what waits for it."""
        unread = self.transport.get_write_buffer_size()
        if unread >= self._unread > 0:
            self.transport.abort()  # close() would wait for the client
            return
        self._unread = unread
        self._looking = self.loop.call_later(self._read_seconds, self._expect_reader)

    def _forget_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    """A server that stops when its pictures are done, for pages hold connections without end."""

    def __init__(self, config: uvicorn.Config, service: RestorationService) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.create_task(self._end_streams())
        await super().shutdown(sockets)
        ending.cancel()

    async def _end_streams(self) -> None:
        seconds = self._service.settings.request_seconds
        await asyncio.to_thread(self._service.queue.close, seconds)
        await asyncio.sleep(_LAST_BYTES_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.close()  # once all is read, which the protocol sees to

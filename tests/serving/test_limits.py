"""The gate before an application of a few lines; no server is started."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

import httpx
import pytest
from fastapi_offline import FastAPIOffline
from starlette.responses import PlainTextResponse

from ccnet.serving import limits
from ccnet.serving.limits import Gate
from ccnet.serving.metrics import Metrics
from ccnet.serving.settings import Settings


def test_the_docs_are_whole_where_there_is_no_page() -> None:
    gate = Gate(FastAPIOffline(redoc_url=None), Settings(), Metrics(), lambda: None)

    async def ask() -> dict[str, int]:
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            page = (await client.get("/docs")).text
            files = [*re.findall(r'(?:src|href)="([^"]+)"', page), "/"]
            return {file: (await client.get(file)).status_code for file in files}

    statuses = asyncio.run(ask())
    assert statuses.pop("/") == 404
    assert len(statuses) >= 2
    assert set(statuses.values()) == {200}


def test_a_token_may_have_any_bytes() -> None:
    settings = Settings(token="s\udce9same")  # as Python takes the byte e9 from the environment
    gate = Gate(PlainTextResponse("models"), settings, Metrics(), lambda: None)

    async def ask(token: bytes) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate)) as client:
            headers = {b"Authorization": b"Bearer " + token}
            return (await client.get("http://x/v1/models", headers=headers)).status_code

    assert asyncio.run(ask(b"s\xe9same")) == 200
    assert asyncio.run(ask("s\xe9same".encode())) == 401


def test_others_are_served_while_the_page_s_files_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def count(*_: object) -> None:
        begun.set()
        assert ended.wait(60)

    monkeypatch.setattr(limits, "check_room", count)
    gate = Gate(PlainTextResponse("ok"), Settings(), Metrics(), lambda: None, tmp_path)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            upload = asyncio.create_task(client.post("/gradio_api/upload"))
            assert await asyncio.to_thread(begun.wait, 60)
            health = await client.get("/healthz")
            ended.set()
            return [health.status_code, (await upload).status_code]

    assert asyncio.run(ask()) == [200, 200]

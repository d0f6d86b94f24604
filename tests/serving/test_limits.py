"""The gate before an application of a few lines; no server is started."""

from __future__ import annotations

import asyncio
import re

import httpx
from fastapi_offline import FastAPIOffline

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

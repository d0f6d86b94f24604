from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from .servers import BOUNDS, Server, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving(environment=BOUNDS) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, timeout=60) as client:
        yield client

"""`ccnet serve` where it cannot begin; tests/serving has what it serves."""

from __future__ import annotations

import errno
import socket
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from ccnet.cli.main import app
from ccnet.errors import UsageError
from ccnet.serving import server


def serve(port: int) -> None:
    result = CliRunner().invoke(app, ["serve", "--port", str(port)])
    assert result.exception is not None
    raise result.exception


def test_an_address_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^127\.0\.0\.1:{port} cannot be listened on: .*\.$"):
            serve(port)


def test_what_else_fails_is_not_blamed_on_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder() -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(server, "page_folder", no_folder)
    with pytest.raises(OSError, match="Read-only file system"):
        serve(0)

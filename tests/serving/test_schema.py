"""The API keeps to what its own OpenAPI says of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .servers import Server


@pytest.mark.slow
def test_schemathesis_finds_nothing(server: Server, client: httpx.Client, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{server.address}/openapi.json", "--checks", "all", "--seed", "1"),
        *("--max-examples", "8", "--generation-database", "none"),
        *("--request-timeout", "60"),  # the machine may be busy with other tests
        # No schema can say which bytes are a picture.
        *("--exclude-checks", "positive_data_acceptance"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert client.get("/readyz").status_code == 200


def test_every_answer_is_described(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]
    assert set(described) == {"/v1/restore", "/v1/models", "/healthz", "/readyz", "/metrics"}
    restore = described["/v1/restore"]["post"]
    assert {parameter["name"] for parameter in restore["parameters"]} == {
        *("task", "model", "strength", "format", "quality")
    }
    assert "image/avif" in restore["responses"]["200"]["content"]
    assert {"403", "500"} <= restore["responses"].keys()
    assert "Retry-After" in restore["responses"]["429"]["headers"]

"""The API on a Ray cluster of two nodes, of which one is killed while pictures are restored."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from ccnet.errors import UsageError
from ccnet.restoration import Restorer
from ccnet.serving.cluster import application

from ..clusters import two_nodes
from .servers import photograph, pixels_of, until


@contextmanager
def serving(address: str, folder: Path, arguments: dict[str, object]) -> Iterator[httpx.Client]:
    """Serve as `serve run` does, with a proxy on the head alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": port},
        "applications": [
            {
                "name": "ccnet",
                "import_path": "ccnet.serving.cluster:application",
                "args": arguments,
            }
        ],
    }
    path, log = folder / "serve.yaml", folder / "log"
    path.write_text(json.dumps(config))  # which is YAML, too
    command = [str(Path(sys.executable).parent / "serve"), "run", "--address", address, str(path)]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:

            def ready() -> bool:
                assert process.poll() is None, log.read_text()
                try:
                    return client.get("/readyz").status_code == 200
                except httpx.TransportError:
                    return False

            assert until(ready, 300), log.read_text()
            yield client
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_pictures_are_restored_while_a_node_is_killed(tmp_path: Path) -> None:
    sent = photograph()
    expected = Restorer("dehaze")(pixels_of(sent)).astype(int)
    arguments: dict[str, object] = {"min_replicas": 2, "max_megapixels": "0.1"}
    with two_nodes() as (cluster, node), serving(cluster.address, tmp_path, arguments) as client:

        def restore(_: int) -> int:
            """Restore as a client that asks again; gives how often it asked."""
            for asked in range(1, 100):
                answer = client.post("/v1/restore?task=dehaze", content=sent)
                if answer.status_code == 200:
                    assert answer.headers["ccnet-model"] == "dehaze-small"
                    assert np.abs(pixels_of(answer.content) - expected).max() <= 1
                    return asked
                assert answer.status_code in (429, 500, 503), answer.text
                time.sleep(0.1)
            raise AssertionError("It was refused for ever.")

        with ThreadPoolExecutor(4) as threads:
            answers = threads.map(restore, range(60))
            for _ in range(20):
                next(answers)
            cluster.remove_node(node, allow_graceful=False)
            assert len(list(answers)) == 40

        refused = client.post("/v1/restore", content=photograph(400, 300))
        assert refused.status_code == 413
        assert refused.json()["error"]["code"] == "picture_too_large"
        assert client.get("/").status_code == 404
        assert client.get("/").json()["error"]["code"] == "not_found"
        assert client.get("/v1/restore").status_code == 405


def test_lists_may_be_texts() -> None:
    arguments = {"devices": "cuda:0 cuda:1", "models": "a.onnx", "max_edge": "wide"}
    with pytest.raises(UsageError, match=r"^max_edge: "):  # the first that makes no sense
        application(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        *({"colour": "red"}, {"max_edge": "wide"}, {"cpus": "0"}, {"max_replicas": -1}),
        *({"gpus": -1}, {"max_decodes": "0"}, {"max_waiting": -3}, {"request_seconds": "nan"}),
        *({"size": "huge"}, {"token": "secret"}, {"host": "0.0.0.0"}, {"port": "80"}),
    ],
)
def test_arguments_that_make_no_sense_are_named(arguments: dict[str, object]) -> None:
    (name,) = arguments
    with pytest.raises(UsageError, match=f"^{name}: "):
        application(arguments)

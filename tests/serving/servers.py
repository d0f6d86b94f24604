"""`ccnet serve` in a process of its own, and pictures to send it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from skimage import data

BOUNDS = {
    "CCNET_MAX_MEGABYTES": "2",
    "CCNET_MAX_MEGAPIXELS": "1",
    "CCNET_MAX_EDGE": "3000",
    "CCNET_MAX_WAITING": "3",
    "CCNET_MAX_HELD_MEGABYTES": "40",
    "CCNET_ARRIVAL_SECONDS": "2",
    "CCNET_TILE": "512",
}
"""Of the server that most tests share."""


class Server:
    """A running server: where it listens, and what it has logged."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log: list[str] = []
        self._serving = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._serving.wait(120):
            self.end()
            raise RuntimeError("".join(self.log))
        (found,) = re.findall(r"Serving on (http://127\.0\.0\.1:(\d+))", "".join(self.log))
        self.address, self.port = found[0], int(found[1])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if "Serving on" in line:
                self._serving.set()
        self._serving.set()
        self.process.stderr.close()

    def end(self) -> None:
        """Kill it, if it still runs."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def stop(self) -> int:
        """End it as a service manager would; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def start(*options: str, environment: dict[str, str] | None = None) -> Server:
    """Start a server on a free port, as where PyTorch is not installed."""
    without_torch = 'import sys; sys.modules["torch"] = None'
    command = [sys.executable, "-c", f"{without_torch}; from ccnet.cli.main import run; run()"]
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        text=True,
    )
    return Server(process)


@contextmanager
def serving(*options: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Serve while a test runs."""
    server = start(*options, environment=environment)
    try:
        yield server
    finally:
        server.end()


def photograph(width: int = 64, height: int = 48, kind: str = "PNG", **options: object) -> bytes:
    """Encode a small photograph."""
    return encoded(Image.fromarray(data.astronaut()).resize((width, height)), kind, **options)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels_of(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image)


def folders_in(parent: Path) -> set[str]:
    """Names of the folders that servers keep the page's files in."""
    return {folder.name for folder in parent.glob("ccnet-serve-*")}


def until(what: Callable[[], bool], seconds: float = 60) -> bool:
    """Look again and again whether something is so."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def figure(client: httpx.Client, name: str) -> float:
    (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found)


# Noise, which takes a second or more in several tiles.
LARGE = encoded(
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (600, 600, 3), np.uint8)), "JPEG"
)

"""Load a server and measure it: requests a second, latencies, and memory over time.

    OMP_NUM_THREADS=1 python benchmarks/serving.py PICTURE [--minutes 10] [--requests 2000]
        [--clients 4] [--size 256] [--engine auto] [--alone 0.56]

Starts `ccnet serve` and sends it PICTURE as JPEG, in a hundred sizes from half of --size pixels up
to it, from --clients threads, each its next one as soon as the last is answered, until the minutes
or the requests are over. Every tenth request is broken, too large, or cut off in the middle. Then
single pictures of --alone megapixels tell what one costs; --requests 0 does only that. Memory is
the resident set of the server, and CPU seconds are its.
"""

from __future__ import annotations

import argparse
import io
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

LARGEST_MEGABYTES = 12
SIZES = 101


def main() -> None:
    parser = argparse.ArgumentParser(description="Load a server.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--requests", type=int, default=10**9)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--alone", type=float, default=0.56)
    options = parser.parse_args()

    command = [sys.executable, "-c", "from ccnet.cli.main import run; run()", "serve"]
    limits = ["--port", "0", "--engine", options.engine, "--request-seconds", "3600"]
    limits += ["--max-megabytes", str(LARGEST_MEGABYTES)]
    with subprocess.Popen([*command, *limits], stderr=subprocess.PIPE, text=True) as process:
        try:
            address = find_address(process)
            if options.requests:
                load(address, options)
            cost(address, process.pid, options)
        finally:
            process.terminate()


def find_address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"Serving on (\S+)", line):
            # What it logs from now on must be read, or it would wait.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1]
    raise SystemExit("The server did not start.")


def load(address: str, options: argparse.Namespace) -> None:
    """Send pictures from all clients, and look at the server's memory meanwhile."""
    sides = np.linspace(options.size / 2, options.size, SIZES).round().astype(int)
    pictures = [encoded(options.picture, int(side)) for side in sides]
    began, end = time.monotonic(), time.monotonic() + 60 * options.minutes
    latencies: list[float] = []
    answers: Counter[str] = Counter()
    memory: list[tuple[float, float]] = []
    cpu = figure(address, "process_cpu_seconds_total")

    def send(client: int) -> None:
        with httpx.Client(base_url=address, timeout=600) as session:
            number = client
            while time.monotonic() < end and number < options.requests:
                picture = pictures[number % SIZES]
                if number % 10 == 9:
                    answers[bad(session, picture, number)] += 1
                else:
                    sent = time.monotonic()
                    answer = session.post("/v1/restore?task=dehaze", content=picture)
                    latencies.append(time.monotonic() - sent)
                    answers[str(answer.status_code)] += 1
                number += options.clients

    with ThreadPoolExecutor(options.clients) as threads:
        running = [threads.submit(send, client) for client in range(options.clients)]
        while not all(task.done() for task in running):
            memory.append((time.monotonic() - began, resident(address)))
            time.sleep(5)
    seconds = time.monotonic() - began
    cpu = figure(address, "process_cpu_seconds_total") - cpu
    report(options, seconds, cpu, latencies, answers, memory)


def bad(session: httpx.Client, picture: bytes, number: int) -> str:
    """Send what the server must refuse; gives the status, or that there was none."""
    kind = number // 10 % 3
    if kind == 0:
        return f"{session.post('/v1/restore', content=picture[:-200]).status_code} (broken)"
    if kind == 1:
        large = bytes(1_000_000 * (LARGEST_MEGABYTES + 1))
        return f"{session.post('/v1/restore', content=large).status_code} (too large)"
    address = (session.base_url.host, session.base_url.port or 80)
    with socket.create_connection(address) as connection:
        head = f"POST /v1/restore HTTP/1.1\r\nHost: x\r\nContent-Length: {len(picture)}\r\n\r\n"
        connection.sendall(head.encode() + picture[: len(picture) // 2])
    return "none (cut off)"


def report(
    options: argparse.Namespace,
    seconds: float,
    cpu: float,
    latencies: list[float],
    answers: Counter[str],
    memory: list[tuple[float, float]],
) -> None:
    table = Table(box=None, show_header=False)
    total = sum(answers.values())
    table.add_row("clients, pixels across", f"{options.clients}, at most {options.size}")
    table.add_row("requests", f"{total} in {seconds:.0f} s, {total / seconds:.2f}/s")
    table.add_row("answers", ", ".join(f"{many} x {what}" for what, many in answers.most_common()))
    shares = np.percentile(latencies, [50, 95, 99])
    table.add_row("seconds, p50, p95, p99", ", ".join(f"{share:.2f}" for share in shares))
    table.add_row("server's CPU seconds", f"{cpu:.0f}, {cpu / len(latencies):.2f} a picture")
    steps = np.linspace(0, len(memory) - 1, 6).round().astype(int)
    told = (f"{memory[step][1]:.0f} at {memory[step][0]:.0f} s" for step in steps)
    table.add_row("resident MB", ", ".join(told))
    Console(width=130).print(table)


def cost(address: str, server: int, options: argparse.Namespace) -> None:
    """Say what a picture costs alone, the best of three, and the most memory there ever was."""
    with Image.open(options.picture) as image:
        size = round((options.alone * 1e6 * image.width / image.height) ** 0.5)
    picture = encoded(options.picture, size)
    taken = []
    for _ in range(3):
        before = figure(address, "process_cpu_seconds_total")
        answer = httpx.post(f"{address}/v1/restore?task=dehaze", content=picture, timeout=3600)
        answer.raise_for_status()
        taken.append(figure(address, "process_cpu_seconds_total") - before)
    rate = options.alone / min(taken)
    print(f"{min(taken):.2f} CPU s for {options.alone:g} megapixels, {rate:.2f} a second and core")
    status = Path(f"/proc/{server}/status").read_text()
    print(f"at most {int(re.findall('VmHWM:.* ([0-9]+) kB', status)[0]) / 1000:.0f} MB resident")


def resident(address: str) -> float:
    return figure(address, "process_resident_memory_bytes") / 1e6


def figure(address: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{address}/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def encoded(path: Path, size: int) -> bytes:
    """Reduce a picture to some pixels across, as JPEG."""
    with Image.open(path) as image:
        height = round(image.height * size / image.width)
        file = io.BytesIO()
        image.convert("RGB").resize((size, height)).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()

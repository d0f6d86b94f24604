"""How many files a second a Ray cluster restores, by its nodes, and what the run's own share costs.

    python benchmarks/cluster.py [--nodes 1 2] [--files 64] [--side 256]

Each node is a raylet of one core on this machine, so that nodes beyond its free cores show nothing.
Noise of `side` pixels is restored with OpenVINO. Seconds are from the first batch that is done
to the last, without the start of processes and the loading of models; the run's own CPU seconds are
those of the process that plans, hands out, and puts results in their places.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ccnet.images import Picture, write_picture
from ccnet.runs.folders import plan
from ccnet.runs.request import Request
from ccnet.runs.run import Report, run_jobs


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput of a Ray cluster by its nodes.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    print("| nodes | files/s | megapixels/s | the run's CPU ms per file |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="cc", dir="/tmp") as name:  # sockets have short paths
        folder = Path(name)
        os.environ.update(RAY_TMPDIR=name, RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")
        draw = np.random.default_rng(0)
        (folder / "in").mkdir()
        for index in range(options.files):
            noise = draw.integers(0, 256, (options.side, options.side, 3), np.uint8)
            write_picture(Picture(noise), folder / "in" / f"{index}.jpg")
        for nodes in options.nodes:
            rate, own = measure(folder, nodes)
            pixels = rate * options.side**2 / 1e6
            print(f"| {nodes} | {rate:.2f} | {pixels:.3f} | {own * 1000:.1f} |", flush=True)


def measure(folder: Path, nodes: int) -> tuple[float, float]:
    """Give files a second, and the CPU seconds of this process for each."""
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {
        "num_cpus": 1,
        "object_store_memory": 100 << 20,
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args=node)
    for _ in range(nodes - 1):
        cluster.add_node(**node)
    moments: list[float] = []
    spent: list[float] = []

    def report(_: Report) -> None:
        moments.append(time.monotonic())
        spent.append(time.process_time())

    try:
        jobs = plan([str(folder / "in")], folder / f"out-{nodes}", None)
        run_jobs(jobs, Request("dehaze", "openvino"), report, cluster=cluster.address)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    late = [moment for moment in moments if moment > moments[0] + 0.5]  # beyond the first batch
    share = len(late) / (moments[-1] - moments[0])
    return share, (spent[-1] - spent[0]) / len(late)


if __name__ == "__main__":
    main()

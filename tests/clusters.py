"""A Ray cluster of nodes on this machine, one of which can be killed."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def two_nodes(head_cpus: int = 1) -> Iterator[tuple[Any, Any]]:
    """Start a head and a node; gives the cluster and the node, which may be killed meanwhile."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # for paths of sockets are short
    environment = {
        "RAY_TMPDIR": folder,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # or other work on the machine goes first
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "4",
        "OMP_NUM_THREADS": "1",
    }
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name, value in environment.items():
            patch.setenv(name, value)
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        node: dict[str, Any] = {"object_store_memory": 80 << 20, "memory": 3 << 30}
        cluster = Cluster(
            initialize_head=True,
            head_node_args={**node, "num_cpus": head_cpus, "include_dashboard": False},
        )
        try:
            yield cluster, cluster.add_node(**node, num_cpus=1)
        finally:
            cluster.shutdown()  # type: ignore[no-untyped-call]
            shutil.rmtree(folder, ignore_errors=True)

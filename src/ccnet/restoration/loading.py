"""Networks that stay loaded between calls."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccnet.network import CCNet


def loaded(model: str | os.PathLike[str] | CCNet) -> CCNet:
    """Load a network, or take it from the last three; a file that has changed is read again."""
    from ccnet.weights.registry import find_weights

    if not isinstance(model, (str, os.PathLike)):
        return model
    path = find_weights(model)
    try:
        status = path.stat()
    except OSError:  # load_network tells what is wrong with it
        return _load(path, None)
    return _load(path.absolute(), (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=3)
def _load(path: Path, _stamp: tuple[int, int] | None) -> CCNet:
    from ccnet.weights import load_network

    return load_network(path)

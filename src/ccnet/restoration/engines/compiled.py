"""What OpenVINO compiled, kept on disk from one process to the next.

To compile a small model takes 1.6 CPU seconds, as long as to restore 0.4 megapixels; to read it
back, 0.3 (docs/engines.md).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from ccnet.errors import CCNetError
from ccnet.openvino_core import openvino
from ccnet.placing import place_file

VARIABLE = "CCNET_CACHE"
"""Names another folder than `ccnet` in the user's cache; empty, none."""

KEPT = 24
"""Files at most, of 3 MB for a small model and 18 for a large one; the least lately used go."""

_SUFFIX = ".openvino"
_DIGEST_BYTES = 32


def read_or_compile(
    core: openvino.Core,
    name: str,
    make_model: Callable[[], openvino.Model],
    hints: Mapping[str, str | int],
) -> openvino.CompiledModel:
    """Read a compiled model back, or compile it for the CPU and keep it.

    What is kept and damaged is compiled anew, and where nothing can be kept, nothing is.

    Args:
        core: What reads and compiles.
        name: Stands for the model: whatever changes that must change this.
        make_model: Makes it, where it must be compiled.
        hints: What it is compiled with.
    """
    folder = _folder()
    if folder is None:
        return core.compile_model(make_model(), "CPU", hints)
    machine = [
        core.get_property("CPU", each) for each in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
    ]
    facts = repr((name, sorted(hints.items()), openvino.__version__, machine))
    path = folder / (hashlib.sha256(facts.encode()).hexdigest() + _SUFFIX)
    with suppress(OSError, RuntimeError):
        return core.import_model(_read(path), "CPU", hints)
    compiled = core.compile_model(make_model(), "CPU", hints)
    with suppress(OSError, RuntimeError, CCNetError):
        _keep(compiled.export_model().getvalue(), path)
    return compiled


def _folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    folder = user_cache_path("ccnet")
    return folder if folder.is_absolute() else None  # else it is that of a user without a home


def _read(path: Path) -> bytes:
    """Read what was kept; raises OSError where there is none, or not all of it."""
    data = path.read_bytes()
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    # Whoever reads it next, in C++, trusts it.
    if hashlib.sha256(content).digest() != digest:
        raise OSError(f"{path} is damaged")
    path.touch()
    return content


def _keep(content: bytes, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = hashlib.sha256(content).digest() + content
    place_file(data, path, error=CCNetError, overwrite=True)
    kept = sorted(path.parent.glob(f"*{_SUFFIX}"), key=lambda each: each.stat().st_mtime)
    for old in kept[:-KEPT]:
        old.unlink(missing_ok=True)

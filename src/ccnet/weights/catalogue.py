"""The models that are too large to ship: where on the Hub each is, and what its file says of it.

`models/catalogue.json` has an entry for each, made by `add_entry` from the file itself, so that
they are listed without being fetched. A card beside it, `NAME.md`, does ship.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ccnet.errors import WeightsError
from ccnet.placing import place_file
from ccnet.weights.header import read_header
from ccnet.weights.hub import HubFile, fetch, parse_hub_name, sha256
from ccnet.weights.model import Model, describe, read_model

_KEYS = {
    "repository": str,
    "revision": str,
    "file": str,
    "sha256": str,
    "size": int,
    "width": int,
    "modules": int,
    "parameters": int,
    "metadata": dict,
}


def read_catalogue(path: Path) -> list[Model]:
    """Read the models of a catalogue; raises `WeightsError` that names an entry which is wrong."""
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read as a catalogue: {error}.") from error
    if not isinstance(entries, dict):
        raise WeightsError(f"{path} is no catalogue, which is an object of models by their names.")
    return [_read_entry(path, name, entry) for name, entry in entries.items()]


def _read_entry(path: Path, name: str, entry: Any) -> Model:
    try:
        if not isinstance(entry, dict) or entry.keys() != _KEYS.keys():
            raise ValueError(f"it must have {', '.join(_KEYS)}")
        for key, kind in _KEYS.items():
            if type(entry[key]) is not kind:
                raise ValueError(f"its {key} is {entry[key]!r:.50}")
        if not all(type(value) is str for value in entry["metadata"].values()):
            raise ValueError("its metadata must be text")
        file = HubFile(entry["repository"], entry["file"], entry["revision"], entry["sha256"])
        _check_pinned(file)
        return describe(
            name,
            file,
            size=entry["size"],
            width=entry["width"],
            modules=entry["modules"],
            parameters=entry["parameters"],
            metadata=entry["metadata"],
        )
    except ValueError as error:
        raise WeightsError(f"The entry {name!r} of {path} is wrong: {error}.") from error


def _check_pinned(file: HubFile) -> None:
    """Raise ValueError for a file that could change, or that no name on the Hub leads to."""
    if not re.fullmatch("[0-9a-f]{40}", file.revision):
        raise ValueError(f"its revision is {file.revision!r:.50}, not the 40 digits of a commit")
    if not re.fullmatch("[0-9a-f]{64}", file.sha256 or ""):
        raise ValueError(f"its sha256 is {file.sha256!r:.80}, not 64 hexadecimal digits")
    try:
        named = parse_hub_name(f"{file}#sha256={file.sha256}") == file
    except WeightsError:
        named = False
    if not named:
        raise ValueError(f"{file} is no .safetensors on the Hub")


def add_entry(path: str | os.PathLike[str], name: str, file: str) -> None:
    """Fetch a file by its name on the Hub and put what it says of itself into a catalogue.

    `file` names a commit, for example "hf:OWNER/REPOSITORY@COMMIT/dehaze.safetensors"; an entry
    that is there is replaced. Raises `WeightsError` where it cannot be had or is no CCNet's.
    """
    wanted = parse_hub_name(file)
    fetched = fetch(wanted)
    model = read_model(fetched, name)
    path = Path(path)
    entries = json.loads(path.read_bytes()) if path.exists() else {}
    entries[name] = {
        "repository": wanted.repository,
        "revision": wanted.revision,
        "file": wanted.file,
        "sha256": sha256(fetched),
        "size": model.size,
        "width": model.width,
        "modules": model.modules,
        "parameters": model.parameters,
        "metadata": read_header(fetched).metadata,
    }
    _read_entry(path, name, entries[name])
    place_file(
        f"{json.dumps(entries, indent=2, ensure_ascii=False, sort_keys=True)}\n".encode(),
        path,
        error=WeightsError,
        overwrite=True,
    )

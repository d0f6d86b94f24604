"""Models by name: those that ship, `models/NAME.safetensors`, and those of `models/catalogue.json`.

Each has a card, `models/NAME.md`. Listing them reads the headers of files and needs no torch.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ccnet.errors import WeightsError
from ccnet.extras import require
from ccnet.weights.catalogue import read_catalogue
from ccnet.weights.hub import HubFile, fetch, is_hub_name, parse_hub_name
from ccnet.weights.model import Model, read_model

if TYPE_CHECKING:
    from ccnet.network import CCNet

MODELS = Path(__file__).parent / "models"

DEFAULTS = {"dehaze": "dehaze-small", "deblur": "deblur-small", "desnow": "desnow-small"}
"""The model that a task means."""

SIZES = ("small", "large")
"""Of each task's models: large has the size published for haze, small a ninth of its work."""

SUFFIXES = (".safetensors", ".pkl", ".pth", ".pt")
"""What files of weights are called."""

ONNX = ".onnx"
"""Behind the name of a model's network as other engines than PyTorch run it, beside its weights."""


def list_models() -> list[Model]:
    """List the models that have a name, by it: those that ship and those that can be fetched."""
    shipped = [read_model(path, path.stem) for path in MODELS.glob("*.safetensors")]
    outside = read_catalogue(MODELS / "catalogue.json")
    return sorted([*shipped, *outside], key=lambda model: model.name)


def find_model(name: str) -> Model:
    """Find a model by its name, or a task's default; raises `WeightsError` for neither."""
    models = {model.name: model for model in list_models()}
    if (model := models.get(DEFAULTS.get(name, name))) is not None:
        return model
    known = [*DEFAULTS, *models]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise WeightsError(
        f"No model or task is called {name!r}{hint}; there are {', '.join(known)}, or name a file "
        f"of weights ({', '.join(SUFFIXES)}, or hf:OWNER/REPOSITORY/FILE.safetensors)."
    )


def model_of(task: str, size: str | None = None) -> str:
    """Name a task's model of one of `SIZES`, or its default model."""
    return DEFAULTS[task] if size is None else f"{task}-{size}"


def task_named(model: str | None) -> str | None:
    """Tell the task in a model's name; None for one that has none, as a file's."""
    names = {
        name: task for task in DEFAULTS for name in (task, *(model_of(task, s) for s in SIZES))
    }
    return names.get(model or "")


def read_card(model: Model) -> str:
    """Read a listed model's card, in Markdown: data, training, measurements and limits."""
    return (MODELS / f"{model.name}.md").read_text("utf-8")


def load_network(name_or_path: str | os.PathLike[str]) -> CCNet:
    """Load a network, in float32 on the CPU and in eval mode.

    `name_or_path` is a model's name, a task (its default model), a file on the Hub
    ("hf:OWNER/REPOSITORY/FILE.safetensors", as `hub.FORM` has it), or a file of weights: a
    .safetensors or a published checkpoint. A path is anything with one of their suffixes or a
    separator of folders, and a file that is there where no model has its name. Raises
    `WeightsError` where it is none of these, cannot be fetched, or the file is no CCNet, and
    `MissingExtraError` without torch.
    """
    require("torch", "Loading a network")

    from ccnet.weights.files import read_network

    return read_network(find_weights(name_or_path))


def find_weights(name_or_path: str | os.PathLike[str]) -> Path:
    """Find the file of weights that `load_network` would read, fetching one from the Hub.

    A path may be of a file that is missing or broken.
    """
    found = look_up(name_or_path)
    file = found.file if isinstance(found, Model) else found
    return fetch(file) if isinstance(file, HubFile) else file


def find_onnx(name_or_path: str | os.PathLike[str]) -> Path:
    """Find a model's ONNX file by its name or task, or take a path of one.

    Such a path may be of a file that is missing or broken. Raises `WeightsError` for a model that
    has none, as files of weights and those on the Hub have none.
    """
    found = look_up(name_or_path)
    if isinstance(found, Path):
        if found.suffix.lower() == ONNX:
            return found
        if not os.path.exists(found):  # noqa: PTH110
            raise WeightsError(f"{found} is not there.")
    if isinstance(found, Model) and isinstance(found.file, Path):
        path = found.file.with_suffix(ONNX)
        if path.is_file():
            return path
    raise WeightsError(
        f"{name_or_path} comes without ONNX, which OpenVINO and ONNX Runtime need; restore with "
        'PyTorch (pip install "ccnet-restore[torch]"), or with a model that ships.'
    )


def look_up(name_or_path: str | os.PathLike[str]) -> Model | HubFile | Path:
    """Tell what a name or path means, as `load_network` has it, without fetching anything."""
    path = Path(name_or_path)
    if not isinstance(name_or_path, str):
        return path
    if is_hub_name(name_or_path):
        return parse_hub_name(name_or_path)
    is_file = name_or_path.lower().endswith((*SUFFIXES, ONNX))
    if is_file or "/" in name_or_path or os.sep in name_or_path:
        return path
    try:
        return find_model(name_or_path)
    except WeightsError:
        # Path.is_file would raise where the name is longer than any file's.
        if not os.path.isfile(path):  # noqa: PTH113
            raise
    return path

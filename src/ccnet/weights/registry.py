"""The models that ship with the package: `models/NAME.safetensors`, each with a card `NAME.md`.

Listing them reads the files' headers only and needs no torch.
"""

from __future__ import annotations

import difflib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ccnet.errors import WeightsError
from ccnet.weights.header import hyper_parameters, read_header

if TYPE_CHECKING:
    from ccnet.network import CCNet

MODELS = Path(__file__).parent / "models"

DEFAULTS = {"dehaze": "dehaze-small", "desnow": "desnow-small"}
"""The model that a task means."""

SUFFIXES = (".safetensors", ".pkl", ".pth", ".pt")
"""What files of weights are called."""


@dataclass(frozen=True)
class Model:
    """A network's shipped weights: `parameters` is their number, `licence` the weights' own."""

    name: str
    task: str
    width: int
    modules: int
    parameters: int
    licence: str
    description: str
    path: Path

    @property
    def card(self) -> str:
        """The model card in Markdown: data, training, measurements and limits."""
        return self.path.with_suffix(".md").read_text("utf-8")


def list_models() -> list[Model]:
    """List the models that ship, by name."""
    return [_read_model(path) for path in sorted(MODELS.glob("*.safetensors"))]


def find_model(name: str) -> Model:
    """Find a shipped model by its name, or a task's default; raises `WeightsError` for neither."""
    models = {model.name: model for model in list_models()}
    if (model := models.get(DEFAULTS.get(name, name))) is not None:
        return model
    known = [*DEFAULTS, *models]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise WeightsError(
        f"No model or task is called {name!r}{hint}; there are {', '.join(known)}, or name a file "
        f"of weights ({', '.join(SUFFIXES)})."
    )


def load_network(name_or_path: str | os.PathLike[str]) -> CCNet:
    """Load a network, in float32 on the CPU and in eval mode.

    `name_or_path` is a shipped model's name, a task (its default model), or a file of weights: a
    .safetensors or a published checkpoint. A path is anything with one of their suffixes or a
    separator of folders, and a file that is there where no model has its name. Raises
    `WeightsError` where it is none of these, or the file is no CCNet.
    """
    from ccnet.weights.files import read_network

    return read_network(find_weights(name_or_path))


def find_weights(name_or_path: str | os.PathLike[str]) -> Path:
    """Find the file of weights that `load_network` would read, which may be missing or broken."""
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and not (
        name_or_path.lower().endswith(SUFFIXES) or "/" in name_or_path or os.sep in name_or_path
    ):
        try:
            return find_model(name_or_path).path
        except WeightsError:
            # Path.is_file would raise where the name is longer than any file's.
            if not os.path.isfile(path):  # noqa: PTH113
                raise
    return path


def _read_model(path: Path) -> Model:
    header = read_header(path)
    made_with = hyper_parameters(header.shapes)
    return Model(
        name=path.stem,
        task=header.metadata["task"],
        width=made_with.width,
        modules=made_with.modules,
        parameters=sum(map(math.prod, header.shapes.values())),
        licence=header.metadata["licence"],
        description=header.metadata["description"],
        path=path,
    )

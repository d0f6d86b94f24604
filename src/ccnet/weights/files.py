"""Files of weights to networks and back: .safetensors, and checkpoints as published."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import BinaryIO

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ccnet.errors import WeightsError, reason_of
from ccnet.network import CCNet
from ccnet.placing import place_file
from ccnet.weights.checkpoints import open_checkpoint
from ccnet.weights.header import Shapes, hyper_parameters, read_header
from ccnet.weights.published import from_published, to_published
from ccnet.weights.unpickling import Unreadable

FORMAT_VERSION = "1"


def read_network(path: str | os.PathLike[str]) -> CCNet:
    """Make the network whose weights a file holds, in float32 on the CPU and in eval mode.

    The file is a .safetensors, or a checkpoint as CCNet is published and `torch.save` writes it:
    its content tells, not its name. Width and modules are read off the tensors' shapes. Takes
    memory in proportion to the file's length, whatever it says. Raises `WeightsError`.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise Unreadable("is no file" if path.exists() else "is not there")
        with path.open("rb") as file:
            if _is_safetensors(file):
                return _read_safetensors(path)
            checkpoint = open_checkpoint(file)
            return _assemble(checkpoint.shapes, checkpoint.read, path.stat().st_size)
    except Unreadable as error:
        raise WeightsError(f"{path} {error}.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {reason_of(error)}.") from error


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the text that a .safetensors carries beside its weights; a checkpoint has none.

    Raises `WeightsError` where a .safetensors is damaged, and OSError.
    """
    with Path(path).open("rb") as file:
        return read_header(Path(path)).metadata if _is_safetensors(file) else {}


def _is_safetensors(file: BinaryIO) -> bool:
    """Tell by the brace that opens the header, behind its length; leaves the file at its start."""
    start = file.read(9)
    file.seek(0)
    return start[8:] == b"{"


def _read_safetensors(path: Path) -> CCNet:
    header = read_header(path)
    version = header.metadata.get("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        raise Unreadable(f"is of format {version!r}, which a newer ccnet may read")

    @cache
    def tensors() -> dict[str, Tensor]:
        try:  # safe_open gives torch nothing of a file whose name is not Unicode
            return from_published(safetensors.torch.load(path.read_bytes()))
        except (SafetensorError, KeyError) as error:  # KeyError: numbers of a type torch lacks
            raise Unreadable("is damaged") from error

    size = path.stat().st_size
    return _assemble(from_published(header.shapes), lambda name: tensors()[name], size)


def _assemble(shapes: Shapes, read: Callable[[str], Tensor], file_size: int) -> CCNet:
    """Make the network that has these shapes, if one has, and give it the tensors read."""
    try:
        made_with = hyper_parameters(shapes)
    except ValueError as error:
        raise Unreadable(f"holds no CCNet: {error}") from error
    with torch.device("meta"):
        network = CCNet(**made_with._asdict())
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    _check_names(shapes.keys(), expected.keys())
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise Unreadable(
                f"holds no CCNet of width {made_with.width} and {made_with.modules} modules: its "
                f"tensor {name} has shape {shapes[name]}, not {shape}"
            )
    # A checkpoint can lay many tensors, or one endlessly, over the same few values.
    if sum(map(math.prod, expected.values())) > file_size:
        raise Unreadable("is damaged: its tensors have more values than it has bytes")
    network.load_state_dict({name: _weights(name, read(name)) for name in expected}, assign=True)
    return network.eval()


def _check_names(found: Iterable[str], expected: Iterable[str]) -> None:
    for what, names in (
        ("lacks the tensor", sorted(set(expected) - set(found))),
        ("has the unknown tensor", sorted(set(found) - set(expected))),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise Unreadable(f"holds no CCNet: it {what} {names[0]!r:.100}{more}")


def _weights(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise Unreadable(f"holds whole numbers in its tensor {name}, no weights")
    weights = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not weights.isfinite().all():
        raise Unreadable(f"holds numbers that are not finite in its tensor {name}")
    return weights


def save_model(
    network: CCNet,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str],
    *,
    half: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a network's weights (float32, or float16 if `half`) and `metadata` as a .safetensors.

    For a model to ship, `metadata` has name, task, licence and description; width, modules and
    the format's version are added. Raises `WeightsError` where `path` is there and not to be
    overwritten, or cannot be written, and for a network that could not be read again.
    """
    facts = {
        "format": "pt",  # what other readers of .safetensors look for
        "format_version": FORMAT_VERSION,
        "width": str(network.width),
        "modules": str(network.modules_per_stage),
    }
    place_file(
        safetensors.torch.save(
            _state(network, torch.float16 if half else torch.float32), {**metadata, **facts}
        ),
        path,
        error=WeightsError,
        overwrite=overwrite,
    )


def save_checkpoint(
    network: CCNet, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a network's weights (float32) as the published code does and reads.

    Raises `WeightsError` as `save_model` does.
    """
    buffer = io.BytesIO()
    torch.save({"model": to_published(_state(network))}, buffer)
    place_file(buffer.getvalue(), path, error=WeightsError, overwrite=overwrite)


def _state(network: CCNet, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    state = {
        name: tensor.detach().to("cpu", dtype, memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    try:
        hyper_parameters({name: tuple(tensor.shape) for name, tensor in state.items()})
        for name, tensor in state.items():
            if not tensor.isfinite().all():
                raise ValueError(f"its tensor {name} is not finite in {str(dtype).split('.')[1]}")
    except ValueError as error:
        raise WeightsError(f"No file can hold this network: {error}.") from error
    return state

"""Networks from elsewhere, as TorchScript or ONNX, to compare with.

They are taken to map (1, 3, H, W) of float32 in [0, 1] to the same. Of several outputs the last of
the input's size counts, so that networks with outputs at many scales can be measured, too.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ccnet.errors import PictureError, WeightsError
from ccnet.extras import require
from ccnet.machine import find_device
from ccnet.network.padding import mirror_indices
from ccnet.weights.checkpoints import ZIP_ERRORS

Batch: TypeAlias = NDArray[np.float32]
Run: TypeAlias = Callable[[Batch], Iterable[NDArray[Any]]]
"""Gives all outputs for a batch (1, 3, H, W); raises `Refused`."""

MULTIPLES = (1, 4, 8, 16, 32, 64)
"""Of which the sides must be is tried out, from the first."""

_TRIAL = 128  # pixels, more than the least that usual networks take


class Refused(Exception):
    """A network does not take a batch; the message is its own first line."""


def holds_torchscript(path: Path) -> bool:
    """Tell a TorchScript program from other files by its content; nothing of it is run."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except ZIP_ERRORS:
        return False


def load_torchscript(
    path: Path, device: str
) -> tuple[torch.jit.ScriptModule, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
    """Load a TorchScript program, whose operations may also write files, and try it out.

    Returns:
        The program, and what restores a picture (H, W, 3) in [0, 1] with it.

    Raises:
        UsageError: There is no such device.
        WeightsError: The file is damaged, or the program takes or gives something else.
    """
    place = find_device(device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as such
            program = torch.jit.load(str(path), map_location=place).eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, torch.jit.Error) as error:
        raise WeightsError(f"{path} cannot be loaded as TorchScript: {_line(error)}.") from error

    def run(batch: Batch) -> Iterable[NDArray[Any]]:
        try:
            with torch.inference_mode():
                outputs = program(torch.from_numpy(batch).to(place))
            return [tensor.float().cpu().numpy() for tensor in _tensors(outputs)]
        except (RuntimeError, ValueError, TypeError, torch.jit.Error) as error:
            raise Refused(_line(error)) from error

    return program, _picture_function(path, run, fixed=None)


def load_onnx(path: Path, device: str) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load an ONNX network, try it out, and give what restores a picture (H, W, 3) in [0, 1].

    It runs on a CUDA device where the installed ONNX Runtime has one and `device` says so, else on
    the CPU, with as many threads as PyTorch has.

    Raises:
        UsageError: There is no such device.
        WeightsError: The file is missing or damaged, or takes or gives something else.
    """
    require("onnxruntime", "Measuring an ONNX file")

    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    errors = tuple(kind for kind in (*kinds, ValueError, IndexError) if issubclass(kind, Exception))
    cuda = find_device(device).startswith("cuda")
    wanted = ["CUDAExecutionProvider"] * cuda + ["CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what goes wrong is raised, too
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        source = session.get_inputs()[0]
    except errors as error:
        raise WeightsError(f"{path} cannot be loaded as ONNX: {_line(error)}.") from error

    def run(batch: Batch) -> Iterable[NDArray[Any]]:
        try:
            outputs: list[Any] = session.run(None, {source.name: batch})
        except errors as error:
            raise Refused(_line(error)) from error
        return [output for output in outputs if isinstance(output, np.ndarray)]

    sides = source.shape[2:] if len(source.shape) == 4 else []
    fixed = (sides[0], sides[1]) if sides and all(type(side) is int for side in sides) else None
    return _picture_function(path, run, fixed)


def _tensors(outputs: object) -> Iterator[Tensor]:
    """Give all tensors of nested lists, tuples and dictionaries, in their order."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, dict):
        yield from _tensors(list(outputs.values()))
    elif isinstance(outputs, (list, tuple)):
        for output in outputs:
            yield from _tensors(output)


def _picture_function(
    path: Path, run: Run, fixed: tuple[int, int] | None
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Make what restores pictures of any size, by reflection at the right and below."""
    multiple = _find_multiple(path, run) if fixed is None else None

    def restore(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = picture.shape[:2]
        if multiple is not None:
            padded = -(-height // multiple) * multiple, -(-width // multiple) * multiple
        else:
            assert fixed is not None
            padded = fixed
            if height > padded[0] or width > padded[1]:
                raise PictureError(
                    f"{path} takes pictures of {padded[1]} by {padded[0]} pixels, and this one is "
                    f"{width} by {height}."
                )
        batch = picture.transpose(2, 0, 1)[None]
        for axis, length in zip((2, 3), padded, strict=True):
            places = mirror_indices(batch.shape[axis], length, torch.device("cpu"))
            batch = batch.take(places.numpy(), axis=axis)
        try:
            restored = _full_size(run(np.ascontiguousarray(batch)), batch.shape)
        except Refused as error:
            raise PictureError(
                f"{path} does not take a picture of {width} by {height} pixels: {error}."
            ) from error
        if not np.isfinite(restored).all():
            raise WeightsError(f"{path} gives numbers that are not finite.")
        pixels: NDArray[np.float32] = restored[0].transpose(1, 2, 0)[:height, :width].clip(0, 1)
        return pixels

    return restore


def _find_multiple(path: Path, run: Run) -> int:
    """Find of what number both sides must be multiples, on pictures that fit no larger one."""
    for multiple in MULTIPLES:
        odd = _TRIAL // multiple | 1
        batch = np.zeros((1, 3, odd * multiple, (odd + 2) * multiple), np.float32)
        try:
            _full_size(run(batch), batch.shape)
        except Refused as error:
            reason = error
        else:
            return multiple
    raise WeightsError(
        f"{path} maps float32 (1, 3, height, width) to the same at no size tried: {reason}."
    ) from reason


def _full_size(outputs: Iterable[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    found = [output for output in outputs if output.shape == shape and output.dtype.kind == "f"]
    if not found:
        raise Refused("no output has the input's size")
    return found[-1].astype(np.float32, copy=False)


def _line(error: Exception) -> str:
    """Give the last line that says something, which is where both runtimes tell the reason.

    ONNX Runtime's advice to mend the model is none, and what it lists above is told as one line.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[-1].startswith("Please fix "):
        lines = [" ".join(lines[:-1])]
    return (lines[-1] if lines else type(error).__name__).rstrip(".:")

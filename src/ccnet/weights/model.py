"""What is known of a model without loading it: the facts in the header of its file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ccnet.errors import WeightsError, reason_of
from ccnet.weights.header import hyper_parameters, read_header

if TYPE_CHECKING:
    from ccnet.weights.hub import HubFile

INPUT_PSNR, PSNR = "validation/input_psnr", "validation/psnr"
SECONDS, MACHINE = "cpu_seconds_per_megapixel", "machine"
"""Keys of a file's metadata whose names here are shorter."""


@dataclass(frozen=True)
class Model:
    """A network's weights and what is known of them; None is for what their file does not say.

    Attributes:
        name: What it is called, or where it is for a file of one's own.
        file: The .safetensors file; one on the Hub is fetched when it is first used.
        size: Bytes of the file.
        width: Channels of the network at full size.
        modules: Its modules per stage.
        parameters: How many numbers it has learnt.
        task: What it takes away.
        licence: The weights' own.
        description: What it is for, in one line.
        data: What it was trained and validated on.
        input_psnr: PSNR in dB of the degraded pictures it was validated on, as they are.
        psnr: PSNR in dB of the same, restored.
        seconds: What one core of a CPU takes to restore a megapixel in float32.
        machine: Which CPU that is.
    """

    name: str
    file: Path | HubFile
    size: int
    width: int
    modules: int
    parameters: int
    task: str | None
    licence: str | None
    description: str | None
    data: str | None
    input_psnr: float | None
    psnr: float | None
    seconds: float | None
    machine: str | None


def read_model(path: Path, name: str) -> Model:
    """Read the header of a .safetensors file.

    Raises `WeightsError` where it is none, holds no CCNet, or says a number that is none.
    """
    header = read_header(path)
    try:
        made_with = hyper_parameters(header.shapes)
        return describe(
            name,
            path,
            size=path.stat().st_size,
            width=made_with.width,
            modules=made_with.modules,
            parameters=sum(map(math.prod, header.shapes.values())),
            metadata=header.metadata,
        )
    except ValueError as error:
        raise WeightsError(f"{path} holds no model of CCNet: {error}.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {reason_of(error)}.") from error


def describe(
    name: str,
    file: Path | HubFile,
    *,
    size: int,
    width: int,
    modules: int,
    parameters: int,
    metadata: Mapping[str, str],
) -> Model:
    """Give what a file's metadata says its name and type; raises ValueError for no number."""
    return Model(
        name=name,
        file=file,
        size=size,
        width=width,
        modules=modules,
        parameters=parameters,
        task=metadata.get("task"),
        licence=metadata.get("licence"),
        description=metadata.get("description"),
        data=metadata.get("data"),
        input_psnr=_number(metadata, INPUT_PSNR),
        psnr=_number(metadata, PSNR),
        seconds=_number(metadata, SECONDS),
        machine=metadata.get(MACHINE),
    )


def _number(metadata: Mapping[str, str], key: str) -> float | None:
    if key not in metadata:
        return None
    try:
        number = float(metadata[key])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"its {key} is {metadata[key]!r:.50}, no finite number")
    return number

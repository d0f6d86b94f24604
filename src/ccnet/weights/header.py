"""What the header of a .safetensors file tells of a model, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from safetensors import SafetensorError, safe_open

from ccnet.errors import WeightsError, reason_of

WIDEST = 1024
DEEPEST = 64
LONGEST = 63
"""No file can ask for a network beyond these; the published ones go up to 40, 16 and 11."""

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor, by its name in `CCNet.state_dict()`."""


@dataclass(frozen=True)
class Header:
    """The free text a file carries, and the shapes of its tensors."""

    metadata: dict[str, str]
    shapes: Shapes


def read_header(path: Path) -> Header:
    """Read the header of a .safetensors file; raises `WeightsError` where it is none."""
    try:
        # safe_open would say of whatever cannot be opened that it is not there.
        with path.open("rb"), safe_open(path, framework="numpy") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            return Header(file.metadata() or {}, shapes)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is not there.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise WeightsError(f"{path} cannot be read: {reason_of(error)}.") from error
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged or no .safetensors file: {error}.") from error


class HyperParameters(NamedTuple):
    """What `CCNet` is made with."""

    width: int
    modules: int
    block: Literal["star", "residual"]
    depthwise: int
    strips: tuple[int, int] | None


def hyper_parameters(shapes: Shapes) -> HyperParameters:
    """Read off the hyper-parameters of the CCNet that has these tensors, if any has.

    Looks at a few places only. Raises `ValueError` where they do not tell, or tell of a network
    beyond `WIDEST`, `DEEPEST` or `LONGEST`.
    """
    entrance, stage = "enter.weight", "encoder_full.modules_."
    if not shapes.get(entrance):
        raise ValueError(f"it lacks the tensor {entrance!r}")
    width = shapes[entrance][0]
    modules = len({name.split(".")[2] for name in shapes if name.startswith(stage)})
    if not (0 < width <= WIDEST and width % 2 == 0 and 0 < modules <= DEEPEST):
        raise ValueError(f"none has width {width} and {modules} modules")
    last = f"{stage}{modules - 1}.integration"
    depthwise, long, short = (
        (shapes.get(name) or (0,))[axis]
        for name, axis in (
            (f"{stage}0.surroundings.weight", -1),
            (f"{last}.long.strips.0.to_filter.weight", 0),
            (f"{last}.short.strips.0.to_filter.weight", 0),
        )
    )
    if any(taps and not (3 <= taps <= LONGEST and taps % 2) for taps in (depthwise, long, short)):
        raise ValueError(f"none has a kernel of {depthwise} and strips of {long} and {short}")
    return HyperParameters(
        width,
        modules,
        block="star" if depthwise else "residual",
        depthwise=depthwise or 9,
        strips=(long, short) if long and short else None,
    )

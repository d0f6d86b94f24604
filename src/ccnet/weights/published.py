"""Names of the tensors of a published CCNet checkpoint, and ours for the same tensors.

The published names are those of the paper's code (`tests/data/*.keys.tsv` lists them all). Both
ways a name that is not in the tables stays what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

STAGES = {
    "Encoder.0.layers": "encoder_full.modules_",
    "Encoder.1.layers": "encoder_half.modules_",
    "Encoder.2.layers": "encoder_quarter.modules_",
    "Decoder.0.layers": "decoder_quarter.modules_",
    "Decoder.1.layers": "decoder_half.modules_",
    "Decoder.2.layers": "decoder_full.modules_",
}
"""Before the index of a star module."""

MODULE_PARTS = {
    "conv1.main.0.pixel_norm": "norm",
    "conv1.main.0.pw1": "context",
    "conv1.main.0.dw1": "surroundings",
    "conv1.main.0.pw2": "plain",
    "conv2.main.0": "projection",
    "cubic_11": "integration.long",
    "cubic_11.H_spatial_att.0.conv": "integration.long.strips.0.to_filter",
    "cubic_11.H_spatial_att.1.conv": "integration.long.strips.1.to_filter",
    "cubic_11.W_spatial_att.0.conv": "integration.long.strips.2.to_filter",
    "cubic_11.W_spatial_att.1.conv": "integration.long.strips.3.to_filter",
    "cubic_7": "integration.short",
    "cubic_7.H_spatial_att.0.conv": "integration.short.strips.0.to_filter",
    "cubic_7.H_spatial_att.1.conv": "integration.short.strips.1.to_filter",
    "cubic_7.W_spatial_att.0.conv": "integration.short.strips.2.to_filter",
    "cubic_7.W_spatial_att.1.conv": "integration.short.strips.3.to_filter",
}
"""After the index of a star module."""

LAYERS = {
    "feat_extract.0.main.0": "enter",
    "feat_extract.1.main.0": "down_half",
    "feat_extract.2.main.0": "down_quarter",
    "feat_extract.3.main.0": "up_half",
    "feat_extract.4.main.0": "up_full",
    "feat_extract.5.main.0": "head_full",
    "ConvsOut.0.main.0": "head_quarter",
    "ConvsOut.1.main.0": "head_half",
    "Convs.0.main.0": "join_half",
    "Convs.1.main.0": "join_full",
    "FAM1.merge.main.0": "merge_quarter",
    "FAM2.merge.main.0": "merge_half",
    "SCM1.main.0.main.0": "shallow_quarter.convolutions.0",
    "SCM1.main.1.main.0": "shallow_quarter.convolutions.2",
    "SCM1.main.2.main.0": "shallow_quarter.convolutions.4",
    "SCM1.main.3.main.0": "shallow_quarter.convolutions.6",
    "SCM1.main.4": "shallow_quarter.norm",
    "SCM2.main.0.main.0": "shallow_half.convolutions.0",
    "SCM2.main.1.main.0": "shallow_half.convolutions.2",
    "SCM2.main.2.main.0": "shallow_half.convolutions.4",
    "SCM2.main.3.main.0": "shallow_half.convolutions.6",
    "SCM2.main.4": "shallow_half.norm",
}
"""Outside the stages."""


def from_published(state: Mapping[str, Value]) -> dict[str, Value]:
    """Rename what a published checkpoint holds to the names of `CCNet.state_dict()`.

    A `module.` in front of every name, as `DataParallel` writes it, is dropped.
    """
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return {_renamed(name, STAGES, MODULE_PARTS, LAYERS): value for name, value in state.items()}


def to_published(state: Mapping[str, Value]) -> dict[str, Value]:
    """Rename what `CCNet.state_dict()` holds to the names of a published checkpoint."""
    tables = _inverse(STAGES), _inverse(MODULE_PARTS), _inverse(LAYERS)
    return {_renamed(name, *tables): value for name, value in state.items()}


def _renamed(
    name: str, stages: dict[str, str], module_parts: dict[str, str], layers: dict[str, str]
) -> str:
    """Rename `layer.leaf`, or `stage.index.part.leaf` for a layer inside a star module."""
    layer, _, leaf = name.rpartition(".")
    if layer in layers:
        return f"{layers[layer]}.{leaf}"
    for stage, stage_renamed in stages.items():
        if layer.startswith(f"{stage}."):
            index, _, part = layer.removeprefix(f"{stage}.").partition(".")
            if part in module_parts:
                return f"{stage_renamed}.{index}.{module_parts[part]}.{leaf}"
    return name


def _inverse(table: dict[str, str]) -> dict[str, str]:
    return {value: key for key, value in table.items()}

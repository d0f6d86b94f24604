"""A model written for ONNX Runtime, OpenVINO and whatever else reads their files."""

from __future__ import annotations

import base64
import copy
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto

from ccnet.errors import ExportError, UsageError
from ccnet.export.check import (
    HALF_TOLERANCE,
    TOLERANCE,
    Floats,
    Inputs,
    Run,
    check_export,
    check_shallow,
)
from ccnet.export.network import build_model
from ccnet.network import CCNet
from ccnet.placing import place_file, taken
from ccnet.weights.onnx_files import read_weights, seal

FORMATS = {"onnx": ".onnx", "openvino": ".xml"}
"""What a network can be exported to, and the suffix of that."""


def export_model(
    network: CCNet,
    path: str | os.PathLike[str],
    format: str,  # noqa: A002
    *,
    averages: bool = False,
    half: bool = False,
    beside: bool = False,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> float:
    """Write a network for another engine, if that gives the same there; docs/export.md tells what.

    Args:
        network: What to write, on any device; it is copied.
        path: Where to, with the format's suffix; OpenVINO's weights go beside it, as .bin.
        format: One of `FORMATS`.
        averages: Whether the whole-picture averages are an input and an output; an ONNX file that
            has them is one that `ccnet restore --model` takes.
        half: Whether to hold the weights in float16, in half the bytes.
        beside: Whether to hold none, for they are in the .safetensors of the same name beside the
            file, as those of the models that ship are; only for ONNX with `averages`.
        metadata: Text to carry in the file.
        overwrite: Whether to replace files that are there.

    Returns:
        The largest difference from the network in what was compared; at most `check.TOLERANCE`,
        or `check.HALF_TOLERANCE`.

    Raises:
        UsageError: There is no such format, or the path does not end as it should.
        ExportError: The file is there or cannot be written, or the engine gives something else.
        WeightsError: The .safetensors beside it is not there, or damaged.
    """
    path = Path(path)
    if format not in FORMATS:
        raise UsageError(f"format={format} is none of {', '.join(FORMATS)}.")
    if path.suffix != FORMATS[format]:
        raise UsageError(f"{path} should end in {FORMATS[format]}.")
    if beside and not (averages and format == "onnx"):
        raise UsageError("Only ONNX files with averages can have their weights beside them.")
    constants_path = path.with_suffix(".bin")
    for target in (path, constants_path) if format == "openvino" else (path,):
        if not overwrite and os.path.lexists(target):
            raise ExportError(taken(target))

    network = copy.deepcopy(network).float().cpu().eval()
    metadata = metadata or {}
    model = build_model(network, averages=averages, half=half, beside=beside, metadata=metadata)
    onnx = model.SerializeToString()
    weights = read_weights(path.with_suffix(".safetensors")) if beside else b""
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    if averages:
        check_shallow(network, run_onnx(shallow_part(onnx) + weights), path.name)
    if format == "onnx":
        onnx = seal(onnx, weights) if averages else onnx
        run = run_onnx(onnx + weights)
        worst = check_export(network, run, path.name, tolerance, averages=averages)
        place_file(onnx, path, error=ExportError, overwrite=overwrite)
        return worst
    xml, constants = to_openvino(onnx, metadata)
    run = run_openvino(xml, constants)
    worst = check_export(network, run, path.name, tolerance, averages=averages)
    place_file(constants, constants_path, error=ExportError, overwrite=overwrite)
    try:
        place_file(xml, path, error=ExportError, overwrite=overwrite)
    except ExportError:
        if not overwrite:  # else these are in the place of others, which are gone
            constants_path.unlink()
        raise
    return worst


def shallow_part(model: bytes) -> bytes:
    """The ONNX model that measures the averages of the shallow inputs, which metadata hold."""
    entries = ModelProto.FromString(model).metadata_props
    return base64.b64decode(next(entry.value for entry in entries if entry.key == "shallow"))


def run_onnx(model: bytes) -> Run:
    """Run an ONNX model with ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(inputs: Inputs) -> list[Floats]:
        outputs: list[Floats] = session.run(None, inputs)
        return outputs

    return run


def to_openvino(model: bytes, metadata: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Turn an ONNX model into OpenVINO's .xml and .bin, in float32."""
    from ccnet.openvino_core import openvino

    converted = openvino.Core().read_model(model=model)
    for key, value in metadata.items():
        converted.set_rt_info(value, ["ccnet", key])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        openvino.save_model(converted, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def run_openvino(xml: bytes, constants: bytes) -> Run:
    """Run an OpenVINO model on the CPU in float32, which is not what OpenVINO takes by itself."""
    from ccnet.openvino_core import make_core

    core = make_core()
    network = core.read_model(model=xml, weights=constants)
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(network, "CPU", hints).create_infer_request()

    def run(inputs: Inputs) -> list[Floats]:
        results = request.infer(inputs)
        return [results[index].copy() for index in range(len(results))]

    return run

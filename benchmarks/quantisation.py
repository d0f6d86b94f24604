"""Measure what int8 would gain and lose: post-training quantisation of a model with NNCF.

    pip install nncf
    OMP_NUM_THREADS=1 python benchmarks/quantisation.py PHOTOS [--model dehaze] [--calibration 48]
        [--pictures 12]

PHOTOS is a folder of clear photographs. The first of them, degraded as for training, calibrate the
network behind its shallow inputs, which stays in float32 as `OpenVinoEngine` has it; the others,
degraded as evenly strong, are restored. Prints for each precision the mean PSNR in dB to the clear
photographs, the mean and the least to what float32 restores, and the CPU seconds of a picture.
"""

from __future__ import annotations

import argparse
import time
from itertools import cycle
from pathlib import Path

import nncf
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.metrics import peak_signal_noise_ratio

from ccnet.datasets.photographs import list_photographs, read_photograph
from ccnet.datasets.splits import spread
from ccnet.degradation import DEGRADATIONS
from ccnet.openvino_core import make_core
from ccnet.restoration.engines.openvino_engine import OpenVinoEngine
from ccnet.weights.registry import find_onnx

Floats = NDArray[np.float32]
KINDS = {"dehaze": "haze", "deblur": "blur", "desnow": "snow"}
STRENGTHS = (0.25, 0.5, 0.8)
SIDE = 256


class QuantisedEngine(OpenVinoEngine):
    """The same with its part behind the shallow inputs in int8."""

    def __init__(self, path: Path, pictures: list[Floats]) -> None:
        super().__init__(path, precision="float32")
        shallow = self._compile("features", "float32")
        nothing = np.full((1, shallow.input("averages").shape[1]), np.nan, np.float32)

        def inputs(picture: Floats) -> dict[str, Floats | NDArray[np.int64]]:
            given = {
                "pictures": picture.transpose(2, 0, 1)[None],
                "averages": nothing,
                "core": np.array([0, 0, 2**31 - 1, 2**31 - 1]),
            }
            features = shallow.create_infer_request().infer(given)
            named = {"shallow_half": features[0].copy(), "shallow_quarter": features[1].copy()}
            return {**given, **named}

        quantised = nncf.quantize(
            self._part("own", None),
            nncf.Dataset(pictures, inputs),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            # OpenVINO 2026.4 crashes with the strips' products in int8, and with bias correction.
            ignored_scope=nncf.IgnoredScope(types=["MatMul"]),
            advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        )
        hints = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1}
        compiled = make_core().compile_model(quantised, "CPU", hints)
        self._compiled["own", "float32", None] = compiled


def main() -> None:
    parser = argparse.ArgumentParser(description="int8 against float32 and bfloat16.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="dehaze", choices=KINDS)
    parser.add_argument("--calibration", type=int, default=48)
    parser.add_argument("--pictures", type=int, default=12)
    options = parser.parse_args()

    path = find_onnx(options.model)
    pairs = degraded(options.photos, KINDS[options.model], options.calibration + options.pictures)
    crops = [picture[:SIDE, :SIDE] for _, picture in pairs[: options.calibration]]
    engines = {
        "float32": OpenVinoEngine(path, precision="float32"),
        "bfloat16": OpenVinoEngine(path, precision="bfloat16"),
        "int8": QuantisedEngine(path, crops),
    }
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in engines}
    for clear, picture in pairs[options.calibration :]:
        reference = engines["float32"].restore(picture[None])[0]
        for name, engine in engines.items():
            engine.restore(picture[None])
            start = time.process_time()
            restored = engine.restore(picture[None])[0]
            seconds = time.process_time() - start
            agreement = peak_signal_noise_ratio(
                reference, restored + np.float64(1e-9), data_range=1
            )
            truth = peak_signal_noise_ratio(clear, restored, data_range=1)
            measured[name].append((truth, agreement, seconds))
    table = Table("precision", "PSNR", "to float32", "least", "CPU s", box=None)
    for name, rows in measured.items():
        truths, agreements, seconds_of = np.array(rows).T
        table.add_row(
            name,
            f"{truths.mean():.2f}",
            f"{agreements.mean():.1f}",
            f"{agreements.min():.1f}",
            f"{seconds_of.mean():.2f}",
        )
    Console(width=100).print(table)


def degraded(folder: Path, kind: str, count: int) -> list[tuple[Floats, Floats]]:
    """Photographs (H, W, 3) of 640 pixels, each with itself degraded."""
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for path, strength in zip(spread(list_photographs(folder), count), cycle(STRENGTHS)):
        clear = read_photograph(path, 640)[None].float() / 255
        picture = DEGRADATIONS[kind](clear, generator, strength)
        pairs.append((to_array(clear), to_array(picture)))
    return pairs


def to_array(batch: torch.Tensor) -> Floats:
    return np.ascontiguousarray(batch[0].permute(1, 2, 0).numpy())


if __name__ == "__main__":
    main()

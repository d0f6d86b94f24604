from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ccnet
from ccnet.errors import ExportError, UsageError, WeightsError
from ccnet.export import FORMATS, export_model
from ccnet.export import export as exporting
from ccnet.export.check import TOLERANCE, Floats, Inputs, Run
from ccnet.export.export import run_onnx, run_openvino, shallow_part
from ccnet.export.network import build_model
from ccnet.network import CCNet, PinnedAverages, SharedAverages
from ccnet.network.ccnet import Block
from ccnet.network.integration import Strips
from ccnet.openvino_core import openvino
from ccnet.restoration.engines.onnxruntime_engine import OnnxRuntimeEngine
from ccnet.weights.files import read_network, save_model


def trained(
    block: Block = "star",
    strips: Strips | None = (11, 7),
    modules: int = 1,
    width: int = 8,
    seed: int = 0,
) -> CCNet:
    """A network none of whose weights is what it starts as, for 1 and 0 would hide mistakes."""
    torch.manual_seed(seed)
    network = CCNet(width, modules, block=block, strips=strips).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return network


def exported(
    network: CCNet,
    folder: Path,
    format: str,  # noqa: A002
    *,
    averages: bool = False,
    half: bool = False,
) -> Run:
    """Export a network and load the file that there is then."""
    path = folder / f"network{FORMATS[format]}"
    export_model(network, path, format, averages=averages, half=half, overwrite=True)
    if format == "onnx":
        return run_onnx(path.read_bytes())
    return run_openvino(path.read_bytes(), path.with_suffix(".bin").read_bytes())


@pytest.fixture(scope="module")
def network() -> CCNet:
    return ccnet.load_network("dehaze")


@pytest.fixture(scope="module")
def tiny() -> CCNet:
    """What is exported where not the numbers count."""
    return trained(width=2)


@pytest.fixture(scope="module")
def runs(network: CCNet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("exported")
    return {format: exported(network, folder, format) for format in FORMATS}  # noqa: A001


@pytest.mark.slow
@settings(max_examples=8)
@given(
    samples=st.integers(1, 3),
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    seed=st.integers(0, 2**31),
)
@example(1, 1, 1, 0)
@example(2, 1, 300, 0)
@example(1, 124, 128, 0)
@example(3, 125, 2, 0)
def test_files_restore_as_the_network_does(
    network: CCNet, runs: dict[str, Run], samples: int, height: int, width: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    brightness = np.linspace(0.2, 1, samples, dtype=np.float32)[:, None, None, None]
    batch = generator.random((samples, 3, height, width), dtype=np.float32) * brightness
    with torch.no_grad():
        expected = network(torch.from_numpy(batch)).numpy()
    for run in runs.values():
        (restored,) = run({"pictures": batch})
        np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("block", "strips"),
    [("star", None), ("residual", (5, 9)), ("residual", None), ("star", (3, 13))],
)
def test_every_kind_of_network_can_be_exported(
    tmp_path: Path,
    format: str,  # noqa: A002
    block: Block,
    strips: Strips | None,
) -> None:
    network = trained(block, strips, modules=2)
    batch = np.random.default_rng(1).random((2, 3, 70, 131), dtype=np.float32)
    (restored,) = exported(network, tmp_path, format)({"pictures": batch})
    with torch.no_grad():
        expected = network(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_averages_come_out_of_a_picture_and_go_into_its_tiles(
    network: CCNet,
    tmp_path: Path,
    format: str,  # noqa: A002
) -> None:
    run = exported(network, tmp_path, format, averages=True)
    generator = np.random.default_rng(2)
    picture = generator.random((1, 3, 160, 200), dtype=np.float32)
    tile = np.ascontiguousarray(0.3 * picture[:, :, :, :124])
    own = SharedAverages()
    with torch.no_grad():
        whole = network(torch.from_numpy(picture), own).numpy()
        values = torch.cat(own.values, 1).flatten(1)
        pinned = network(torch.from_numpy(tile), PinnedAverages(values[0])).numpy()
    wanted = values.numpy()

    inputs = {"averages": np.full_like(wanted, np.nan), "core": np.array([0, 0, 160, 200])}
    restored, measured = run({"pictures": picture, **inputs})
    np.testing.assert_allclose(restored, whole, rtol=0, atol=1e-4)
    np.testing.assert_allclose(measured, wanted, rtol=1e-4, atol=1e-4)
    inputs["averages"] = measured
    of_tile, its_own = run({"pictures": tile, **inputs})
    np.testing.assert_allclose(of_tile, pinned, rtol=0, atol=1e-4)
    assert np.abs(its_own - measured).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_averages_are_those_of_the_core_of_all_pictures(
    network: CCNet,
    tmp_path: Path,
    format: str,  # noqa: A002
) -> None:
    """Counted by hand for the first average, the mean of the half-size shallow input."""
    run = exported(network, tmp_path, format, averages=True)
    pictures = np.random.default_rng(4).random((3, 3, 160, 140), dtype=np.float32)
    with torch.no_grad():
        features = network.shallow_half.convolutions(torch.from_numpy(pictures)[:, :, ::2, ::2])
    wanted = features[:, :, 4:60, 8:].mean((0, 2, 3)).numpy()
    nothing = np.full((1, 1088), np.nan, np.float32)
    core = np.array([8, 16, 120, 2**31 - 1])
    _, measured = run({"pictures": pictures, "averages": nothing, "core": core})
    np.testing.assert_allclose(measured[0, : len(wanted)], wanted, atol=1e-5)


def test_files_say_what_they_are(tiny: CCNet, tmp_path: Path) -> None:
    told = {"name": "mine", "licence": "MIT"}
    export_model(tiny, tmp_path / "a.onnx", "onnx", metadata=told)
    export_model(tiny, tmp_path / "a.xml", "openvino", metadata=told)
    held = onnx.load(tmp_path / "a.onnx").metadata_props
    assert {entry.key: entry.value for entry in held} == told
    model = openvino.Core().read_model(tmp_path / "a.xml")
    assert {key: model.get_rt_info(["ccnet", key]).value for key in told} == told


def test_an_onnx_file_takes_any_number_and_size(tiny: CCNet, tmp_path: Path) -> None:
    export_model(tiny, tmp_path / "a.onnx", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    (pictures,), (restored,) = session.get_inputs(), session.get_outputs()
    assert pictures.shape == restored.shape == ["batch", 3, "height", "width"]
    assert (pictures.name, restored.name) == ("pictures", "restored")


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_half_the_bytes_restore_nearly_the_same(
    network: CCNet,
    tmp_path: Path,
    format: str,  # noqa: A002
) -> None:
    batch = np.random.default_rng(2).random((1, 3, 130, 140), dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(batch)).numpy()
    sizes = []
    for half in (False, True):
        (restored,) = exported(network, tmp_path, format, half=half)({"pictures": batch})
        np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-3 if half else 1e-4)
        sizes.append(sum(file.stat().st_size for file in tmp_path.glob("network.*")))
    assert sizes[1] < 0.75 * sizes[0]


@pytest.mark.parametrize("wrong", [1.1e-4, np.nan])
@pytest.mark.parametrize("format", FORMATS)
def test_what_gives_something_else_is_not_written(
    tiny: CCNet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,  # noqa: A002
    wrong: float,
) -> None:
    right: Callable[..., Run] = run_onnx if format == "onnx" else run_openvino

    def broken(*model: bytes) -> Run:
        correct = right(*model)

        def run(inputs: Inputs) -> list[Floats]:
            (restored,) = correct(inputs)
            restored[-1, 2, -1, -1] += wrong
            return [restored]

        return run

    monkeypatch.setattr(exporting, f"run_{format}", broken)
    with pytest.raises(ExportError, match=r"differs from the network by .*; it was not written"):
        export_model(tiny, tmp_path / f"a{FORMATS[format]}", format)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_part_for_the_shallow_inputs_is_not_written(
    tiny: CCNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trained(modules=4)
    monkeypatch.setattr(exporting, "shallow_part", lambda _: shallow_part(serialised(other)))
    with pytest.raises(ExportError, match="shallow inputs"):
        export_model(tiny, tmp_path / "a.onnx", "onnx", averages=True)
    assert list(tmp_path.iterdir()) == []


def serialised(network: CCNet) -> bytes:
    model = build_model(network, averages=True, half=False, beside=False, metadata={})
    written: bytes = model.SerializeToString()
    return written


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True])
def test_weights_may_stay_in_the_file_beside_it(tiny: CCNet, tmp_path: Path, half: bool) -> None:
    path = tmp_path / "a.onnx"
    save_model(tiny, tmp_path / "a.safetensors", {}, half=half)
    stored = read_network(tmp_path / "a.safetensors")
    assert export_model(stored, path, "onnx", averages=True, beside=True) < TOLERANCE
    within = tmp_path / "b.onnx"
    export_model(stored, within, "onnx", averages=True)
    count = sum(weights.numel() for weights in tiny.parameters())
    assert path.stat().st_size < within.stat().st_size - 3 * count
    picture = np.random.default_rng(0).random((1, 40, 50, 3), dtype=np.float32)
    expected = OnnxRuntimeEngine(within).restore(picture)
    np.testing.assert_allclose(OnnxRuntimeEngine(path).restore(picture), expected, atol=1e-5)


def test_weights_beside_it_must_be_the_networks(tiny: CCNet, tmp_path: Path) -> None:
    beside = tmp_path / "a.safetensors"
    with pytest.raises(WeightsError, match=r"a\.safetensors is missing"):
        export_model(tiny, tmp_path / "a.onnx", "onnx", averages=True, beside=True)
    save_model(trained(width=2, seed=1), beside, {})
    with pytest.raises(ExportError, match="it was not written"):
        export_model(tiny, tmp_path / "a.onnx", "onnx", averages=True, beside=True)
    assert list(tmp_path.iterdir()) == [beside]
    for format, averages in (("onnx", False), ("openvino", True)):  # noqa: A001
        path = tmp_path / f"a{FORMATS[format]}"
        with pytest.raises(UsageError, match="Only ONNX files with averages"):
            export_model(tiny, path, format, averages=averages, beside=True)


@pytest.mark.parametrize(("format", "there"), [("onnx", "a.onnx"), ("openvino", "a.bin")])
def test_replaces_only_when_told_to(
    tiny: CCNet,
    tmp_path: Path,
    format: str,  # noqa: A002
    there: str,
) -> None:
    (tmp_path / there).write_bytes(b"mine")
    with pytest.raises(ExportError, match=f"{there} is there already"):
        export_model(tiny, tmp_path / f"a{FORMATS[format]}", format)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_bytes() == b"mine"
    export_model(tiny, tmp_path / f"a{FORMATS[format]}", format, overwrite=True)
    assert (tmp_path / there).read_bytes() != b"mine"


def test_refuses_other_formats_and_suffixes(tiny: CCNet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of onnx, openvino"):
        export_model(tiny, tmp_path / "a.tflite", "tflite")
    with pytest.raises(UsageError, match=r"a\.onnx should end in \.xml"):
        export_model(tiny, tmp_path / "a.onnx", "openvino")


def test_a_folder_that_is_not_there_is_named(tiny: CCNet, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"missing/a\.xml|missing/a\.bin"):
        export_model(tiny, tmp_path / "missing" / "a.xml", "openvino")

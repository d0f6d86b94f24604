"""Measuring how fast engines are: what is measured, told and written, not how much it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ccnet.cli.main import app
from ccnet.evaluation import speed
from ccnet.evaluation.speed import Speed, combinations
from ccnet.evaluation.speed_report import NAMES, speed_table, write_speed


@pytest.mark.slow
def test_a_measurement_as_a_person_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "combinations", lambda _: [("openvino", "float32")])
    arguments = ["benchmark", "speed", "deblur", "--side", "128", "--rounds", "1", "-o", "report"]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "| openvino | float32   | 128x128 |" in done.stdout
    written = json.loads(Path("report", "speed.json").read_text())
    assert written["model"] == "deblur"
    (measured,) = written["speeds"]
    assert measured["psnr"] > 100  # of the same network, but for rounding
    assert measured["seconds"] > 0
    assert measured["plain"] > 0
    assert 0 < measured["reached"] < 1
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code != 0


def test_ratios_are_to_the_plain_network() -> None:
    one = Speed("torch", "float32", 1000, 0.5, 2.0, 120.0, 1.25, 0.5)
    row = [cell.strip() for cell in speed_table([one]).splitlines()[2].split("|")[1:-1]]
    told = ["torch", "float32", "1000x1000", "4.00", "0.500", "2.000", "1.25", "120.0", "50%"]
    assert row == told


def test_the_plot_shows_all(tmp_path: Path) -> None:
    speeds = [
        Speed(engine, "float32", side, 1.0, 2.0, 100.0, 1.0, 0.5)
        for side in (512, 1024)
        for engine in ("torch", "openvino")
    ]
    write_speed(speeds, "dehaze", "cpu", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    with Image.open(tmp_path / "speed.png") as plot:
        assert plot.format == "PNG"
        assert plot.size[0] == 800


def test_what_is_not_on_a_device_is_not_measured() -> None:
    assert ("torch", "float16") not in combinations("cpu")
    assert ("openvino", "float32") in combinations("cpu")


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_is_measured_where_the_processor_has_it(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "has_bfloat16", lambda device: has and device == "cpu")
    for engine in ("openvino", "torch"):
        assert ((engine, "bfloat16") in combinations("cpu")) is has

"""What a speed measurement found, as `speed.md`, `speed.json` and a plot, `speed.png`."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ccnet.evaluation.markdown import table
from ccnet.evaluation.report import write_files
from ccnet.evaluation.speed import Speed
from ccnet.machine import describe_machine, list_versions

NAMES = ("speed.md", "speed.json", "speed.png")


def speed_table(speeds: Sequence[Speed]) -> str:
    """Draw all in Markdown, the ratio to the plain network first."""
    names = ("engine", "precision", "pixels", "faster", "s", "MP/s", "GB", "PSNR, dB", "of peak")
    rows = [
        (
            speed.engine,
            speed.precision,
            f"{speed.side}x{speed.side}",
            f"{speed.plain / speed.seconds:.2f}",
            f"{speed.seconds:.3f}",
            f"{speed.side**2 / 1e6 / speed.seconds:.3f}",
            f"{speed.gigabytes:.2f}",
            f"{speed.psnr:.1f}",
            f"{speed.reached:.0%}",
        )
        for speed in speeds
    ]
    return table(names, rows, left=2)


def write_speed(
    speeds: Sequence[Speed], model: str, device: str, folder: Path, *, overwrite: bool = False
) -> None:
    """Write a report into a folder, which is made; raises CCNetError."""
    machine = describe_machine(device)
    facts = {
        "model": model,
        "machine": machine,
        "versions": list_versions(),
        "speeds": [asdict(speed) for speed in speeds],
    }
    contents = (
        f"{model} on {machine}\n\n{speed_table(speeds)}".encode(),
        json.dumps(facts, indent=1).encode() + b"\n",
        _plot(speeds, f"{model} on {machine}"),
    )
    write_files(dict(zip(NAMES, contents, strict=True)), folder, overwrite=overwrite)


def _plot(speeds: Sequence[Speed], title: str) -> bytes:
    """Draw how many times faster than the plain network each is, as a PNG."""
    from matplotlib.figure import Figure

    ways = list(dict.fromkeys((speed.engine, speed.precision) for speed in speeds))
    sides = sorted({speed.side for speed in speeds})
    figure = Figure(figsize=(8, 1 + 0.25 * len(ways) * (1 + len(sides))), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(sides)
    for number, side in enumerate(sides):
        ratios = {(s.engine, s.precision): s.plain / s.seconds for s in speeds if s.side == side}
        places = [place + height * number for place in range(len(ways))]
        bars = axes.barh(places, [ratios[way] for way in ways], height, label=f"{side}x{side}")
        axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(ways))], map(" ".join, ways))
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times faster than the plain network in eager float32")
    axes.set_title(title, fontsize="medium")
    axes.margins(x=0.1)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()

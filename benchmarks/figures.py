"""Redo what the README, docs/quality.md and the cards tell of the weights that ship.

    python benchmarks/figures.py PHOTOS [--pairs PAIRS]

For all models in src/ccnet/weights/models: writes their ONNX files, measures all on
the clear photographs of PHOTOS as `ccnet benchmark quality` does, and makes the README's pictures.
PAIRS has what research gives to measure on, which is not in this repository: a folder for each of
`RESEARCH`, with pictures of the same names in `input` and `target`.

Rows of tables are found by their first cell; one that is not there stops everything before
anything is written to that file. What the pictures look like is left to people.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean

from ccnet.datasets.layouts import find_pairs
from ccnet.datasets.photographs import photographs_to_measure
from ccnet.evaluation.candidates import open_candidates
from ccnet.evaluation.conditions import KINDS
from ccnet.evaluation.measuring import Measurement, measure
from ccnet.evaluation.quality import CLEAR, INPUT, PROTOCOL, Quality, measure_quality
from ccnet.evaluation.quality_report import ALL, Summary, summarise, tables
from ccnet.weights.registry import DEFAULTS, MODELS, SIZES, model_of

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
QUALITY = ROOT / "docs" / "quality.md"


@dataclass(frozen=True)
class Research:
    """A folder of `--pairs`, and the rows that tell of it."""

    task: str
    baseline: str
    readme: str
    card: str


RESEARCH = {
    "haze-indoor": Research(
        "dehaze",
        "dark-channel",
        "25 indoor pairs with haze (RESIDE SOTS)",
        "25 indoor pairs (RESIDE SOTS), PSNR / SSIM",
    ),
    "haze-other": Research(
        "dehaze",
        "dark-channel",
        "9 other pairs with haze (ITS, OTS, road fog, REVIDE, O-HAZE)",
        "9 other pairs (ITS, OTS, road fog, REVIDE, O-HAZE)",
    ),
    "blur": Research(
        "deblur",
        "unsharp",
        "10 blurry frames of REDS",
        "10 frames of REDS (320 by 180), PSNR / SSIM",
    ),
    "snow": Research(
        "desnow", "median", "one snowy picture of CSD", "one pair of CSD, PSNR / SSIM"
    ),
}

WORDS = {
    "dark-channel": "dark channel prior",
    "unsharp": "unsharp mask",
    "median": "median",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pairs", type=Path)
    arguments = parser.parse_args()

    models = [model_of(task, size) for task in DEFAULTS for size in SIZES]
    for model in models:
        options = ("--format", "onnx", "--averages", "--beside", "--overwrite")
        ccnet("export", model, *options, "-o", MODELS / f"{model}.onnx")
    write_quality(measure_quality(photographs_to_measure(arguments.photos), models))
    if arguments.pairs:
        for name, research in RESEARCH.items():
            write_research(arguments.pairs / name, research)
    subprocess.run([sys.executable, ROOT / "examples" / "before_after.py"], check=True)


def ccnet(*arguments: str | Path) -> None:
    run = "from ccnet.cli.main import run; run()"
    subprocess.run([sys.executable, "-c", run, *arguments], check=True)


def write_quality(quality: Quality) -> None:
    found = {(row.kind, row.level, row.candidate): row for row in summarise(quality.scores)}
    for (name, kind), size in product(KINDS.items(), SIZES):
        model = model_of(kind.task, size)
        before, after = found[name, ALL, INPUT], found[name, ALL, model]
        best = max((found[name, ALL, each] for each in kind.baselines), key=lambda row: row.psnr)
        clear = found[CLEAR, CLEAR, model]
        set_row(
            README,
            f"{name}, `{model}`",
            f"{before.psnr:.2f}",
            f"{best.psnr:.2f} ({WORDS[best.candidate]})",
            f"{after.psnr:.2f}",
            f"{clear.psnr:.2f}",
        )
        set_row(
            MODELS / f"{model}.md",
            f"the quality report: those 40, long side 384, {name} of three strengths, PSNR / SSIM",
            *map(marks, (before, best, after)),
        )
    text = QUALITY.read_text()
    block = re.compile(r"(?<=\n)\| kind \| model .*?\n(?=\nPSNR in dB / SSIM)", re.DOTALL)
    changed, times = block.subn(lambda _: tables(quality), text)
    if times != 1:
        sys.exit(f"{QUALITY}: the tables are not where they were.")
    QUALITY.write_text(changed)


def marks(row: Summary) -> str:
    return f"{row.psnr:.2f} / {row.ssim:.3f}"


def write_research(folder: Path, research: Research) -> None:
    models = [model_of(research.task, size) for size in SIZES]
    names = ["identity", research.baseline, *models]
    candidates = open_candidates(names, device="cpu", precision="auto", tile="auto")
    pairs = find_pairs("folders", folder / "input", "test", targets=folder / "target")
    measured = measure(pairs, candidates, [PROTOCOL])
    if measured.left_out:
        sys.exit("\n".join(measured.left_out.values()))

    def rows(name: str) -> list[Measurement]:
        return [row for row in measured.rows if row.candidate == name]

    psnr = [f"{fmean(row.psnr for row in rows(name)):.2f}" for name in names]
    ssim = [f"{fmean(row.ssim or 0 for row in rows(name)):.3f}" for name in names]
    both = [" / ".join(each) for each in zip(psnr, ssim, strict=True)]
    classical = f"{psnr[1]} ({WORDS[research.baseline]})"
    set_row(README, research.readme, psnr[0], classical, *psnr[2:])
    for model, restored in zip(models, both[2:], strict=True):
        worst = min(row.psnr - row.input_psnr for row in rows(model))
        print(f"{folder.name}: the worst change by {model} is {worst:+.2f} dB")
        set_row(MODELS / f"{model}.md", research.card, *both[:2], restored)


def set_row(path: Path, first: str, *cells: str) -> None:
    """Replace the row of a table in Markdown that begins with a cell."""
    row = re.compile(rf"^\| {re.escape(first)} \|.*$", re.MULTILINE)
    text, times = row.subn(lambda _: f"| {' | '.join((first, *cells))} |", path.read_text())
    if times != 1:
        sys.exit(f"{path}: {times} rows begin with {first!r}, not one.")
    path.write_text(text)


if __name__ == "__main__":
    main()

"""What an evaluation found, as files: `pictures.csv`, `report.json`, `report.md` and a sheet."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

from ccnet.errors import CCNetError, PictureError, UsageError, reason_of
from ccnet.evaluation.markdown import table
from ccnet.evaluation.measuring import Measurement, Measurements
from ccnet.evaluation.summary import HIGHEST_PSNR, Summary
from ccnet.placing import place_file
from ccnet.restoration.results import check_folder

FORMAT_VERSION = 1
NAMES = ("pictures.csv", "worst-and-best.png", "report.md", "report.json")


@dataclass(frozen=True)
class Cost:
    """What one candidate takes.

    Attributes:
        candidate: Its name.
        file: Where its weights are, or None.
        sha256: The checksum of that file.
        parameters: How many it has, or None where that is not known.
        macs: Multiplications with addition for 256x256 pixels, or None where that is not known.
        seconds_per_megapixel: Measured over all pictures.
        tiled: How many pictures were cut in tiles.
    """

    candidate: str
    file: str | None
    sha256: str | None
    parameters: int | None
    macs: int | None
    seconds_per_megapixel: float
    tiled: int


@dataclass(frozen=True)
class Report:
    """An evaluation's results, and on what and with what they were reached.

    Attributes:
        dataset: The layout's name.
        path: Where the pictures are.
        targets: Where their targets are, for a pair of folders.
        split: Which part of the dataset.
        pairs: How many pairs that has.
        limit: How many of them, evenly spaced, were asked for, or None for all.
        protocols: What each protocol computes, by name.
        summaries: The scores.
        costs: The candidates.
        device: On what was computed.
        precision: In what, as asked for.
        tile: With what tiles, as asked for.
        versions: Those of Python and packages.
        measured: What all this was summed up from.
    """

    dataset: str
    path: str
    targets: str | None
    split: str
    pairs: int
    limit: int | None
    protocols: dict[str, str]
    summaries: list[Summary]
    costs: list[Cost]
    device: str
    precision: str
    tile: str
    versions: dict[str, str]
    measured: Measurements

    def to_json(self) -> str:
        """Give everything but single pictures as JSON."""
        facts = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in ("measured", "summaries", "costs")
        }
        results = {
            "format_version": FORMAT_VERSION,
            **facts,
            "candidates": [asdict(cost) for cost in self.costs],
            "scores": [asdict(summary) for summary in self.summaries],
            "left_out": self.measured.left_out,
        }
        return json.dumps(results, indent=1, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """Give a line for each picture, candidate and protocol."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(field.name for field in fields(Measurement))
        for row in self.measured.rows:
            writer.writerow(
                f"{value:.6f}" if isinstance(value, float) else value for value in astuple(row)
            )
        return text.getvalue()

    def tables(self) -> str:
        """Give scores, costs and remarks in Markdown."""
        clean = any(summary.clean_psnr_mean is not None for summary in self.summaries)
        names = ["protocol", "model", "PSNR mean", "median", "worst", "SSIM mean", "median"]
        names += ["worst", "input PSNR", *(["clean PSNR"] * clean), "pictures"]
        scores = []
        for row in self.summaries:
            psnrs = (row.psnr_mean, row.psnr_median, row.psnr_worst)
            ssims = (row.ssim_mean, row.ssim_median, row.ssim_worst)
            inputs = (row.input_psnr_mean, *([row.clean_psnr_mean] * clean))
            cells = [row.protocol, row.candidate, *(_number(psnr, 2) for psnr in psnrs)]
            cells += [_number(ssim, 4) for ssim in ssims]
            cells += [_number(psnr, 2) for psnr in inputs]
            scores.append([*cells, str(row.pictures)])
        costs = [
            [
                cost.candidate,
                "-" if cost.parameters is None else f"{cost.parameters:,}",
                "-" if cost.macs is None else f"{cost.macs / 1e9:.2f} G",
                f"{cost.seconds_per_megapixel:.2f}",
            ]
            for cost in self.costs
        ]
        cost_names = ["model", "parameters", "MACs at 256x256", "seconds per megapixel"]
        remarks = "".join(f"- {remark}\n" for remark in self._remarks())
        return f"{table(names, scores, 2)}\n{table(cost_names, costs, 1)}\n{remarks}"

    def to_markdown(self) -> str:
        """Give the report as a page of Markdown."""
        on = f"`{self.path}`" + (f" with `{self.targets}`" if self.targets else "")
        part = "" if self.limit is None else f", {self.limit} asked for, evenly spaced"
        protocols = "".join(f"- `{name}`: {text}\n" for name, text in self.protocols.items())
        shown = [(each.name, f"{each.psnr:.2f}") for each in self.measured.extremes.shown]
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"# {self.costs[0].candidate} on {self.dataset}, {self.split}\n\n"
            f"Pictures: {on}, {self.pairs} pairs{part}.\n\n{self.tables()}\n"
            f"## Protocols\n\n{protocols}\n"
            f"## Worst and best\n\nRows of `worst-and-best.png`, from the top: "
            f"{self.summaries[0].protocol} PSNR of {self.costs[0].candidate}.\n\n"
            f"{table(('picture', 'PSNR'), shown, 1)}\n"
            f"## Made with\n\n{versions}; precision {self.precision}, tile {self.tile}.\n"
        )

    def _remarks(self) -> Iterable[str]:
        pictures = self.summaries[0].pictures
        yield f"Seconds are measured on {self.device}, for restoring alone, after a warm-up."
        for cost in self.costs:
            if cost.tiled:
                yield (
                    f"{cost.candidate}, in tiles: {cost.tiled} of {pictures} pictures, which is "
                    "not quite what the whole picture gives; --tile off takes them whole."
                )
        for name, number in {row.protocol: row.without_ssim for row in self.summaries}.items():
            if number:
                yield f"{name}, too small for SSIM: {number} of {pictures} pictures."
        for row in self.summaries:
            if row.identical:
                yield (
                    f"{row.protocol}, {row.candidate}, as the target: {row.identical} of "
                    f"{pictures} pictures, which count as {HIGHEST_PSNR:g} dB."
                )
        if self.measured.left_out:
            left_out = len(self.measured.left_out)
            yield f"Left out: {left_out} of {pictures + left_out} pictures; report.json tells why."


def check_output(folder: Path, names: Sequence[str] = NAMES, *, overwrite: bool) -> None:
    """Raise UsageError where files are not to be written into a folder, which may be missing."""
    there = [folder / name for name in names if os.path.lexists(folder / name)]
    if there and not overwrite:
        raise UsageError(f"{there[0]} is there already; name another --output, or add --overwrite.")
    try:
        check_folder(folder.absolute() / names[0])
    except PictureError as error:
        raise UsageError(f"--output {error}") from error


def write_report(report: Report, folder: Path, *, overwrite: bool = False) -> None:
    """Write a report into a folder, which is made, `report.json` last; raises CCNetError."""
    numbers, sheet, page, everything = NAMES
    rows = report.to_csv().encode("utf-8", "surrogateescape")
    # Numbers come first, so that they are there if the sheet cannot be drawn.
    write_files({numbers: rows}, folder, overwrite=overwrite)
    others = {
        sheet: report.measured.extremes.sheet(),
        page: report.to_markdown().encode("utf-8", "surrogateescape"),
        everything: report.to_json().encode(),
    }
    write_files(others, folder, overwrite=overwrite)


def write_files(files: Mapping[str, bytes], folder: Path, *, overwrite: bool) -> None:
    """Write files into a folder, which is made, each whole or not at all; raises CCNetError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CCNetError(f"{folder} cannot be made: {reason_of(error)}.") from error
    for name, data in files.items():
        place_file(data, folder / name, error=CCNetError, overwrite=overwrite)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"

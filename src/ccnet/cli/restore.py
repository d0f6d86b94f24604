"""`ccnet restore`: restore files, folders, globs, or standard input."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from ccnet.cli.lines import one_line, wants_traces, write_line
from ccnet.cli.progress import progress_bar
from ccnet.cli.streams import STREAM, restore_stream, taken_for
from ccnet.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from ccnet.runs.pipeline import Task
    from ccnet.runs.run import Report

_AUTO = "auto"


class OnError(str, Enum):
    """What becomes of the other files when one fails."""

    skip = "skip"
    stop = "stop"


def restore(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Pictures, videos, folders (with their subfolders), quoted globs, or - for a "
            "picture from standard input.",
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            help="What to take away: dehaze, deblur or desnow; auto, which is meant when both this "
            "and --model are left out, recognises it in each file and leaves clear ones alone."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A file for one input, a folder for several, or - for standard output. When "
            "left out, NAME-restored is written beside each NAME.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A model's name, a file of weights, one on the Hub "
            "(hf:OWNER/REPOSITORY/FILE.safetensors) or an ONNX file of ccnet export --averages, "
            "instead of the task's own."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Which of a task's models: small, which is meant when this is left out, or large, "
            "which restores better and takes many times as long."
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="auto, which is torch on a GPU and the fastest there is on a CPU; openvino, "
            "onnxruntime, torch."
        ),
    ] = "auto",
    device: Annotated[
        str,
        typer.Option(help="auto, which takes a GPU where there is one; cpu, cuda, cuda:N, mps."),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="auto, which is bfloat16 with OpenVINO where the CPU has it, float16 on CUDA, and "
            "else float32; float32, bfloat16, float16."
        ),
    ] = "auto",
    tile: Annotated[
        str,
        typer.Option(
            help="auto cuts pictures too large for memory into tiles, off never does; a number is "
            "the most pixels across and down, from 512 up."
        ),
    ] = "auto",
    strength: Annotated[
        float, typer.Option(help="From 0, which changes nothing, to 1, the full result.")
    ] = 1.0,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="Restore the mirror image, too, and take the mean, in twice the time.",
        ),
    ] = False,
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(help="jpeg, png, webp, tiff or avif; when left out, the input's or OUT's."),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Of JPEG, WebP and AVIF; 95, 95 and 90 when left out."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            help="Of videos: h264, hevc, vp9 or av1; when left out, the source's, or one like it."
        ),
    ] = None,
    crf: Annotated[
        int | None,
        typer.Option(
            help="Quality of videos, lower is better: 18, 20, 24 and 24 for these codecs when left "
            "out."
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Write NAME-compare.png beside each result: before and after. Of a video, the "
            "left half of the result is as it was.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many processes restore, each with a model; one without any other."
        ),
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(help="Several, such as cuda:0,cuda:1, with a process for each."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Restore on a Ray cluster: auto, local or HOST:PORT. INPUT and "
            "OUT may then be of fsspec, such as s3://BUCKET/FOLDER (docs/scale.md).",
        ),
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Whether a file that fails is skipped, or the last.")
    ] = OnError.skip,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each file.")
    ] = False,
) -> None:
    """Restore photographs and videos: ccnet restore hazy.jpg.

    Prints the name of each result that it has written, and on standard error what pictures were
    taken for and what ran the model. Exits with 0 if all was done, 1 if some inputs failed (each is
    named, the others are done) or the model or OUT cannot be used, and 2 for a wrong usage.

    Folders may take days: the same command again goes on where it was stopped (docs/folders.md).
    """
    from ccnet.images.formats import FORMATS, format_named
    from ccnet.runs.folders import passed_over, plan
    from ccnet.runs.request import Request
    from ccnet.runs.run import run_jobs
    from ccnet.runs.stores import is_remote, locate
    from ccnet.weights.registry import DEFAULTS, task_named

    if "" in (*inputs, output, model):  # which Path takes for the current folder
        raise UsageError("An empty name is no file; a variable of the script may be unset.")
    if task not in (None, _AUTO, *DEFAULTS):
        raise UsageError(f"--task {task} is none of {', '.join((_AUTO, *DEFAULTS))}.")
    if task == _AUTO and model is not None:
        raise UsageError("--task auto chooses a model for each picture; leave --model out.")
    if task in DEFAULTS and (own := task_named(model)) not in (None, task):
        raise UsageError(f"--model {model} is for {own}; leave --task {task} out.")
    if format is not None and format_named(format) is None:
        raise UsageError(f"--format {format} is none of {', '.join(FORMATS)}.")
    if codec is not None or crf is not None:
        from ccnet.video.codecs import check_choice

        check_choice(codec, crf)

    if cluster is not None:
        _check_cluster(workers=workers, devices=devices, compare=compare, device=device)
    elif devices is not None and device != _AUTO:
        raise UsageError(f"--devices says what --device {device} would; leave one of them out.")

    request = Request(
        model=model or (None if task == _AUTO else task),
        engine=engine,
        device=device,
        precision=precision,
        tile=tile,
        strength=strength,
        ensemble=ensemble,
        size=size,
        format=format,
        quality=quality,
        codec=codec,
        crf=crf,
        compare=compare,
        overwrite=overwrite,
        leave_clear=output is None,
    )
    if STREAM in (*inputs, output):
        if len(inputs) > 1:
            raise UsageError("Standard input and output take one picture; name one input.")
        if any(each not in (None, False) for each in (cluster, workers, devices, compare, as_json)):
            raise UsageError(
                "--cluster, --workers, --devices, --compare and --json are for files; leave them "
                "out for standard input and output."
            )
        restore_stream(request, inputs[0], output)
        return
    for text in (*inputs, *([output] if output else [])):
        if cluster is None and is_remote(locate(text)):
            raise UsageError(
                f"{text} is not on this machine; --cluster local restores it from here."
            )
    jobs = plan(inputs, locate(output) if output is not None else None, format, compare)
    with progress_bar() as bar:
        told = _Told(bar, len(jobs), as_json, passed_over(inputs))
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, told.interrupt)
        try:
            run_jobs(
                jobs,
                request,
                told.report,
                workers=workers,
                devices=[each.strip() for each in devices.split(",")] if devices else (),
                cluster=cluster,
                stop=on_error == OnError.stop,
                progress=told.progress,
            )
        finally:
            bar.stop()
            told.sum_up()
    if told.failed:
        raise typer.Exit(1)


def _check_cluster(*, workers: int | None, devices: str | None, compare: bool, device: str) -> None:
    """Raise `UsageError` for options that say what a cluster sees to itself, or cannot do."""
    if workers is not None or devices is not None:
        raise UsageError(
            "--cluster spreads files over its machines; leave --workers and --devices."
        )
    if compare:
        raise UsageError("--compare is not there with --cluster; use ccnet compare on the results.")
    if device not in (_AUTO, "cpu", "cuda"):
        raise UsageError(f"--device {device} names one machine's; with --cluster use cpu or cuda.")


class _Told:
    """Tells what becomes of files as they are done, and of all in the end."""

    def __init__(self, bar: Progress, total: int, as_json: bool, passed_over: Counter[str]) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)
        self._total = total
        self._json = as_json
        self._passed_over = passed_over
        self._counts: Counter[str] = Counter()
        self._shares: dict[int, float] = {}
        self._megapixels = 0.0
        self._engine: str | None = None
        self._started = time.monotonic()
        self._interrupted = False

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Stop for Ctrl-C: now, or where a library catches that, at the next share done."""
        self._interrupted = True
        signal.default_int_handler(number, frame)

    @property
    def failed(self) -> bool:
        """Whether a file failed, or lacks something."""
        return self._counts["failed"] + self._counts["in part"] > 0

    def progress(self, task: Task, share: float, speed: str) -> None:
        """Show the file that is being restored."""
        if self._interrupted:
            raise KeyboardInterrupt
        name = one_line(task.job.source.name)
        text = f"{name}, {speed}" if speed else name
        self._shares[task.number] = share
        done = self._counts.total() + sum(self._shares.values())
        self._bar.update(self._task, completed=done, description=text)

    def report(self, report: Report) -> None:
        """Tell what became of a file."""
        result, source = report.result, str(report.job.source)
        fault = report.fault or report.missing
        self._counts["in part" if report.missing else report.status.value] += 1
        if result is not None:
            self._shares.pop(result.number, None)
            self._engine = self._engine or result.engine
            self._megapixels += 0 if report.fault else result.megapixels
        if result is not None and report.fault is None:
            if result.outcome is not None:
                self._line(taken_for(source, result.outcome))
            for note in result.notes:
                self._line(f"{source}: {note}")
            if report.there and not self._json:
                write_line(str(report.job.target), self._bar)
        if self._json:
            write_line(json.dumps(report.facts()), self._bar)
        if fault:
            self._line(f"ccnet: {fault if source in fault else f'{source}: {fault}'}")
        if result is not None and result.trace and wants_traces():
            for line in result.trace.splitlines():
                self._line(line)
        self._bar.update(self._task, completed=self._counts.total())

    def sum_up(self) -> None:
        """Tell how many files were done, how large they were, and how long it took."""
        if not self._counts:  # an error that is told says why
            return
        counts = [f"{self._counts['restored']} restored"]
        counts += [
            f"{self._counts[each]} {each}"
            for each in ("in part", "clear", "done before", "failed")
            if self._counts[each]
        ]
        if left := self._total - self._counts.total():
            counts.append(f"{left} not begun")
        if others := self._passed_over:
            counts.append(f"{others.total()} not read ({', '.join(sorted(others))})")
        size = f", {self._megapixels:.1f} megapixels" if self._megapixels else ""
        ran = f" with {self._engine}" if self._engine else ""
        took = time.monotonic() - self._started
        typer.echo(f"{', '.join(counts)}{size} in {took:.1f} s{ran}", err=True)

    def _line(self, text: str) -> None:
        write_line(one_line(text), self._bar, error=True)

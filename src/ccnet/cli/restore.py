"""`ccnet restore`: restore files, folders, globs, or standard input."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccnet.cli.lines import one_line, write_line
from ccnet.cli.progress import progress_bar
from ccnet.errors import CCNetError, PictureError, UsageError
from ccnet.placing import place_file, taken

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ccnet.restoration import AutoRestorer, Restorer
    from ccnet.restoration.automatic import Outcome
    from ccnet.restoration.folders import Job

_STREAM = "-"
_AUTO = "auto"


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
            help="auto, which is bfloat16 with OpenVINO where the CPU has it, else float32; "
            "float32, bfloat16, float16."
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
            "--compare", help="Of videos: the left half as it was, the right half restored."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
) -> None:
    """Restore photographs and videos: ccnet restore hazy.jpg.

    Prints the name of each file that it has written, and on standard error what pictures were
    taken for and what ran the model. Exits with 0 if all was done, 1 if some inputs failed (each is
    named, the others are done), and 2 for a wrong usage.
    """
    from ccnet.images.formats import FORMATS, format_named
    from ccnet.restoration.folders import plan
    from ccnet.weights.registry import DEFAULTS

    if task not in (None, _AUTO, *DEFAULTS):
        raise UsageError(f"--task {task} is none of {', '.join((_AUTO, *DEFAULTS))}.")
    if task == _AUTO and model is not None:
        raise UsageError("--task auto chooses a model for each picture; leave --model out.")
    if format is not None and format_named(format) is None:
        raise UsageError(f"--format {format} is none of {', '.join(FORMATS)}.")

    def load() -> Restorer | AutoRestorer:
        from ccnet.restoration import AutoRestorer, Restorer

        chosen = model or task or _AUTO
        if model is None and chosen == _AUTO:
            return AutoRestorer(
                engine=engine, device=device, precision=precision, tile=tile, strength=strength
            )
        return Restorer(
            chosen,
            engine=engine,
            device=device,
            precision=precision,
            tile=tile,
            strength=strength,
        )

    if _STREAM in (*inputs, output):
        if len(inputs) > 1:
            raise UsageError("Standard input and output take one picture; name one input.")
        _restore_stream(load, inputs[0], output, format, quality, overwrite)
        return
    jobs = plan(inputs, Path(output) if output is not None else None, format)
    leave_clear = output is None
    of_pictures = partial(
        _restore_picture,
        format=format,
        quality=quality,
        overwrite=overwrite,
        leave_clear=leave_clear,
    )
    of_videos = partial(
        _restore_video,
        codec=codec,
        crf=crf,
        compare=compare,
        overwrite=overwrite,
        leave_clear=leave_clear,
    )
    if _restore_files(load, jobs, of_pictures, of_videos, leave_clear):
        raise typer.Exit(1)


def _restore_stream(
    load: Callable[[], Restorer | AutoRestorer],
    source: str,
    target: str | None,
    format: str | None,  # noqa: A002
    quality: int | None,
    overwrite: bool,
) -> None:
    """Restore standard input, or to standard output, on which nothing else is written."""
    from ccnet.images import encode_picture, read_picture, write_picture
    from ccnet.images.formats import format_of_suffix
    from ccnet.restoration import Restorer
    from ccnet.restoration.results import read_bytes, stays

    if source == _STREAM and sys.stdin.isatty():
        raise UsageError("Standard input is a terminal; send a picture in with < or a pipe.")
    if target in (None, _STREAM) and sys.stdout.isatty():
        raise UsageError("Standard output is a terminal; send it on with > or a pipe, or use -o.")
    if target and target != _STREAM and not overwrite and os.path.lexists(target):
        raise PictureError(taken(target))
    data = sys.stdin.buffer.read() if source == _STREAM else None
    picture = read_picture(source if data is None else data)
    into = None if target is None or target == _STREAM else Path(target)
    restorer = load()
    if isinstance(restorer, Restorer):
        restored = restorer.restore_picture(picture)
    else:
        restored, outcome = restorer.restore_picture(picture)
        name = "standard input" if source == _STREAM else source
        typer.echo(one_line(_told(name, outcome)), err=True)
    if restorer.engine:
        typer.echo(f"restored with {restorer.engine}", err=True)
    wanted = format or (picture.format if into is None else format_of_suffix(into))
    if restored is not picture or not stays(picture, wanted, quality):
        data = None
    elif data is None:
        data = read_bytes(Path(source))
    if into is None:
        sys.stdout.buffer.write(data or encode_picture(restored, format, quality))
        sys.stdout.buffer.flush()
        return
    if data is None:
        write_picture(restored, into, format=format, quality=quality, overwrite=overwrite)
    else:
        place_file(data, into, error=PictureError, overwrite=overwrite)
    typer.echo(os.fsencode(into))


def _restore_files(
    load: Callable[[], Restorer | AutoRestorer],
    jobs: Sequence[Job],
    restore_picture: Callable[..., Outcome | None],
    restore_video: Callable[..., tuple[Outcome | None, str | None, list[str]]],
    leave_clear: bool,
) -> int:
    """Restore one file after another, tell the names of those written, and count the failures."""
    from ccnet.restoration.folders import is_video

    started = time.monotonic()
    restorer = load() if any(job.fault is None for job in jobs) else None
    failed = left = 0
    with progress_bar() as bar:
        task = bar.add_task("", total=len(jobs))
        for done, job in enumerate(jobs):
            bar.update(task, description=one_line(job.source.name))
            show = partial(_show, bar, task, done)
            notes: Sequence[str] = ()
            missing = None
            try:
                if restorer is None or job.fault is not None:
                    raise PictureError(job.fault)
                if is_video(job.source):
                    outcome, missing, notes = restore_video(restorer, job, show=show)
                else:
                    outcome = restore_picture(restorer, job, show=show)
            except CCNetError as error:
                failed += 1
                named = str(job.source) in str(error)
                fault = str(error) if named else f"{job.source}: {error}"
                write_line(f"ccnet: {one_line(fault)}", bar, error=True)
            else:
                clear = outcome is not None and outcome.model is None
                left += clear
                if outcome is not None:
                    write_line(one_line(_told(str(job.source), outcome)), bar, error=True)
                for note in notes:
                    write_line(one_line(f"{job.source}: {note}"), bar, error=True)
                if not (clear and leave_clear):
                    write_line(os.fspath(job.target), bar)
                if missing is not None:
                    failed += 1
                    write_line(f"ccnet: {one_line(missing)}", bar, error=True)
            bar.update(task, completed=done + 1)
    counts = [f"{len(jobs) - failed - left} restored"]
    counts += [f"{left} clear"] * bool(left) + [f"{failed} failed"] * bool(failed)
    ran = f" with {restorer.engine}" if restorer is not None and restorer.engine else ""
    typer.echo(f"{', '.join(counts)} in {time.monotonic() - started:.1f} s{ran}", err=True)
    return failed


def _restore_picture(
    restorer: Restorer | AutoRestorer,
    job: Job,
    *,
    format: str | None,  # noqa: A002
    quality: int | None,
    overwrite: bool,
    leave_clear: bool,
    show: Callable[[float], None],
) -> Outcome | None:
    """Restore one file; tell what it was taken for, if nobody had said it."""
    from ccnet.restoration import Restorer

    restore_file: Callable[..., Outcome | None] = (
        restorer.restore_file
        if isinstance(restorer, Restorer)
        else partial(restorer.restore_file, leave_clear=leave_clear)
    )
    return restore_file(
        job.source, job.target, format=format, quality=quality, overwrite=overwrite, progress=show
    )


def _restore_video(
    restorer: Restorer | AutoRestorer,
    job: Job,
    *,
    codec: str | None,
    crf: int | None,
    compare: bool,
    overwrite: bool,
    leave_clear: bool,
    show: Callable[[float, str], None],
) -> tuple[Outcome | None, str | None, list[str]]:
    """Restore one video; tell what it was taken for, what of it is missing, and more."""
    from ccnet.video import restore_clip

    started = time.monotonic()

    def speed(frames: int) -> str:
        return f"{frames / (time.monotonic() - started):.1f} frames a second"

    def progress(frames: int, share: float | None) -> None:
        show(share or 0, f"{one_line(job.source.name)}, {speed(frames)}")

    done = restore_clip(
        restorer,
        job.source,
        job.target,
        codec=codec,
        crf=crf,
        compare=compare,
        overwrite=overwrite,
        leave_clear=leave_clear,
        progress=progress,
    )
    notes = [f"{job.target.suffix} cannot hold its {stream}, left out" for stream in done.left_out]
    notes += [f"{done.frames} frames, {speed(done.frames)}"] * bool(done.frames)
    return done.outcome, done.fault, notes


def _told(source: str, outcome: Outcome) -> str:
    done = "left as it is" if outcome.model is None else f"restored with {outcome.model}"
    return f"{source}: {outcome.kind}, {done}"


def _show(bar: Progress, task: TaskID, done: int, share: float, text: str | None = None) -> None:
    bar.update(task, completed=done + share, description=text)

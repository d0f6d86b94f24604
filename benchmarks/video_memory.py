"""Restore a long clip: peak memory on the way, and what ffprobe tells of it before and after.

    python benchmarks/video_memory.py [--minutes 10] [--size 160x120] [--rate 10]

The clip is made of a hazy photograph that the camera moves over, with sound, subtitles and a
chapter for each minute; ffmpeg puts it together. It is restored by a process of its own, whose peak
resident memory is printed after 1, 3 and all minutes of the clip. Then come the lines in which
`ffprobe -show_streams -show_chapters -show_format` differs between source and result.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

from made_clips import hazy_clip

from ccnet.machine import peak_memory


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of restoring videos.")
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--rate", type=int, default=10)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        plain, source, target = (Path(folder) / f"{name}.mp4" for name in ("plain", "in", "out"))
        hazy_clip(plain, options.minutes * 60 * options.rate, (height, width), options.rate)
        add_words(plain, source, options.minutes)
        with get_context("spawn").Pool(1) as process:
            process.apply(restore, (source, target, options.rate))
        before, after = told(source), told(target)
        print("\nffprobe, source and result:")
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                print(f"{key}: {before.get(key)} {after.get(key)}")
        print(f"{len(before)} lines of the source, {len(before.items() & after.items())} the same")


def add_words(clip: Path, target: Path, minutes: int) -> None:
    """Add a line of subtitles and a chapter for each minute."""
    words, chapters = clip.with_suffix(".srt"), clip.with_suffix(".txt")
    words.write_text(
        "".join(
            f"{m + 1}\n00:{m:02}:01,000 --> 00:{m:02}:03,000\nMinute {m}\n\n"
            for m in range(minutes)
        )
    )
    parts = (
        f"[CHAPTER]\nTIMEBASE=1/1\nSTART={m * 60}\nEND={m * 60 + 60}\ntitle=Minute {m}\n"
        for m in range(minutes)
    )
    chapters.write_text(";FFMETADATA1\ntitle=Ten minutes\nartist=Somebody\n" + "".join(parts))
    command: list[str | Path] = ["ffmpeg", "-v", "error", "-i", clip, "-i", words]
    command += ["-i", chapters]
    command += ["-map", "0", "-map", "1", "-map_metadata", "2", "-map_chapters", "2"]
    command += ["-c", "copy", "-c:s", "mov_text", "-metadata:s:s:0", "language=eng", target]
    subprocess.run(command, check=True)


def restore(source: Path, target: Path, rate: int) -> None:
    """Restore a clip and print the peak memory on the way."""
    from ccnet.video import restore_video

    started = time.monotonic()

    def progress(frames: int, _: float | None) -> None:
        if frames in (60 * rate, 180 * rate):
            tell(frames)

    def tell(frames: int) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(
            f"{frames} frames: {time.monotonic() - started:.0f} s, "
            f"{used.ru_utime + used.ru_stime:.0f} s of CPU time, "
            f"peak {peak_memory() / 2**20:.0f} MiB",
            flush=True,
        )

    done = restore_video(source, target, "dehaze", device="cpu", progress=progress)
    tell(done.frames)
    if done.fault or done.left_out:
        raise SystemExit(f"Something is missing: {done}")


def told(path: Path) -> dict[str, str]:
    """List what ffprobe tells of a file, but for its name, by its keys."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_chapters", "-show_format"]
    lines = subprocess.run(
        [*command, "-of", "flat", path], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("format.filename"))


if __name__ == "__main__":
    main()

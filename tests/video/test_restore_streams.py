"""What a restored clip has of its source: streams, times, depth, shape and words."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ccnet.restoration import Restorer
from ccnet.video import restore_clip

from .clips import difference, packets, photographs, times, whole, write_clip


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("a.mp4", "libx264", "aac"), ("a.mov", "libx265", "aac"), ("a.webm", "libvpx-vp9", "libopus")],
)
def test_sound_and_what_is_told_of_frames_stay(
    restorer: Restorer, tmp_path: Path, name: str, codec: str, sound: str
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    source = write_clip(
        tmp_path / name,
        photographs(12),
        codec=codec,
        sound=sound,
        aspect=Fraction(4, 3),
        colours=(1, 13, 1, 1),
        options=options,
    )
    target = tmp_path / f"b{source.suffix}"
    assert restore_clip(restorer, source, target) == whole(12)
    assert packets(target, "audio") == packets(source, "audio")
    assert times(target) == times(source)
    with av.open(str(source)) as before, av.open(str(target)) as after:
        assert after.metadata["title" if "title" in after.metadata else "TITLE"] == "Clip"
        one, other = before.streams.video[0], after.streams.video[0]
        for name in ("width", "height", "pix_fmt", "average_rate", "sample_aspect_ratio"):
            assert getattr(other, name) == getattr(one, name)
        assert other.codec.canonical_name == one.codec.canonical_name
        assert abs((before.duration or 0) - (after.duration or 0)) < 2000
        for frame in (next(before.decode(one)), next(after.decode(other))):
            assert (frame.color_primaries, frame.color_trc) == (1, 13)
            assert (frame.colorspace, frame.color_range) == (1, 1)
    assert difference(source, target) > 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_keep_their_own_times(restorer: Restorer, tmp_path: Path, suffix: str) -> None:
    when = [0, 40, 50, 133, 140, 400, 401, 500, 980, 1000]
    source = write_clip(tmp_path / f"a{suffix}", photographs(10), times=when)
    restore_clip(restorer, source, tmp_path / f"b{suffix}")
    assert [round(time * 1000) for time in times(source)] == when
    assert times(tmp_path / f"b{suffix}") == times(source)


def test_frames_that_wait_for_each_other_are_evenly_spaced_in_avi(
    unchanging: Restorer, tmp_path: Path
) -> None:
    """H.264 has B-frames there, whose times AVI does not hold."""
    source = write_clip(tmp_path / "a.avi", photographs(30), sound=None)
    assert restore_clip(unchanging, source, tmp_path / "b.mkv").frames == 30
    gaps = np.diff([float(time) for time in times(tmp_path / "b.mkv")])
    assert gaps == pytest.approx(1 / 25)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.mkv", "libx264", "yuv420p10le"), ("a.mp4", "libx265", "yuv422p10le")],
)
def test_ten_bits_stay(
    restorer: Restorer, tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {"crf": "4"}
    source = write_clip(
        tmp_path / name, photographs(6), codec=codec, pixels=pixels, options=options
    )
    target = tmp_path / f"b{source.suffix}"
    restore_clip(restorer, source, target, crf=4)
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
    assert frame.format.name == pixels
    luma = np.frombuffer(memoryview(frame.planes[0]), np.uint16)
    assert len(np.unique(luma % 4)) == 4
    assert difference(source, target) > 3


@pytest.mark.parametrize(
    ("codec", "pixels", "target", "asked", "lost"),
    [
        ("libx264", "yuv420p10le", "b.webm", "vp9", ("bits beyond 8 with libvpx-vp9",)),
        ("libx264", "yuv420p10le", "b.mkv", None, ()),
        ("ffv1", "yuva444p", "b.mkv", "h264", ("alpha",)),
    ],
)
def test_what_frames_lose_is_told(
    restorer: Restorer,
    tmp_path: Path,
    codec: str,
    pixels: str,
    target: str,
    asked: str | None,
    lost: tuple[str, ...],
) -> None:
    source = write_clip(tmp_path / "a.mkv", photographs(2), codec=codec, pixels=pixels)
    restored = restore_clip(restorer, source, tmp_path / target, codec=asked)
    assert restored.lost == lost
    assert restored.frames == 2


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_stays_and_frames_are_restored_as_they_are_shown(
    restorer: Restorer, tmp_path: Path, rotation: int
) -> None:
    source = write_clip(tmp_path / "a.mp4", photographs(4), rotation=rotation)
    restore_clip(restorer, source, tmp_path / "b.mp4", compare=True)
    shown = []
    for path in (source, tmp_path / "b.mp4"):
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
        assert (frame.rotation % 360, frame.width, frame.height) == (rotation % 360, 64, 48)
        shown.append(np.rot90(frame.to_ndarray(format="rgb24"), rotation // 90).astype(int))
    before, after = shown
    middle = before.shape[1] // 2
    assert np.abs(after - before)[:, : middle - 3].mean() < 3
    assert np.abs(after - before)[:, middle + 3 :].mean() > 5
    assert after[:, middle].mean() > 230


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "sound", "result"),
    [
        ("a.webm", "libvpx-vp9", "yuv420p", "libopus", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p", "libmp3lame", "yuvj444p"),
    ],
)
def test_odd_sizes_stay(
    restorer: Restorer,
    tmp_path: Path,
    name: str,
    codec: str,
    pixels: str,
    sound: str,
    result: str,
) -> None:
    frames = photographs(6, (63, 47))
    source = write_clip(tmp_path / name, frames, codec=codec, pixels=pixels, sound=sound)
    target = tmp_path / ("b.webm" if name == "a.webm" else "b.mkv")
    assert restore_clip(restorer, source, target) == whole(6, (63, 47))
    with av.open(str(target)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.pix_fmt) == (63, 47, result)
    assert [each[2] for each in packets(target, "audio")] == [
        each[2] for each in packets(source, "audio")
    ]


def test_a_silent_clip(restorer: Restorer, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", photographs(5), sound=None)
    assert restore_clip(restorer, source, tmp_path / "b.mp4") == whole(5)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="makes clips with ffmpeg")


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    """A clip with two languages, subtitles, chapters, an attached font and more metadata."""
    folder = tmp_path_factory.mktemp("rich")
    (folder / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nWords\n")
    (folder / "font.ttf").write_bytes(bytes(range(256)))
    chapters = "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={start + 240}\ntitle=Part {start}\n"
        for start in (0, 240)
    )
    (folder / "tags.txt").write_text(f";FFMETADATA1\ntitle=Rich\ncomment=Words\n{chapters}")
    target = folder / "rich.mkv"
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-i", str(folder / "words.srt")]
    command += ["-i", str(folder / "tags.txt"), "-map", "0:v", "-map", "0:a", "-map", "0:a"]
    command += ["-map", "1", "-map_metadata", "2", "-map_chapters", "2", "-c", "copy"]
    command += ["-metadata:s:a:1", "language=deu", "-disposition:a:1", "comment"]
    command += ["-attach", str(folder / "font.ttf"), "-metadata:s:t", "mimetype=font/ttf"]
    subprocess.run([*command, str(target)], check=True)
    return target


@needs_ffmpeg
def test_all_streams_stay(restorer: Restorer, rich: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mkv"
    assert restore_clip(restorer, rich, target) == whole(12)
    for kind in ("audio", "subtitle"):
        assert packets(rich, kind)
        assert packets(target, kind) == packets(rich, kind)
    with av.open(str(rich)) as before, av.open(str(target)) as after:
        assert after.chapters() == before.chapters()
        assert [chapter["metadata"]["title"] for chapter in after.chapters()] == [
            "Part 0",
            "Part 240",
        ]
        told = [
            {k: v for k, v in each.metadata.items() if k != "ENCODER"} for each in (before, after)
        ]
        assert told[0] == told[1]
        for one, other in zip(before.streams, after.streams, strict=True):
            assert (other.type, other.disposition) == (one.type, one.disposition)
            assert (other.name, other.language) == (one.name, one.language)
        (font,) = after.streams.attachments
        assert font.data == bytes(range(256))


@needs_ffmpeg
def test_what_a_container_cannot_hold_is_told(
    restorer: Restorer, rich: Path, tmp_path: Path
) -> None:
    done = restore_clip(restorer, rich, tmp_path / "b.webm")
    assert done.left_out[:2] == ("audio aac", "audio aac")
    with av.open(str(tmp_path / "b.webm")) as container:
        assert container.streams.video[0].codec.canonical_name == "vp9"
        assert not container.streams.audio


@needs_ffmpeg
def test_ffprobe_lists_the_same(restorer: Restorer, clip: Path, tmp_path: Path) -> None:
    restore_clip(restorer, clip, tmp_path / "b.mp4")
    listed = []
    for path in (clip, tmp_path / "b.mp4"):
        command = ["ffprobe", "-v", "error", "-show_streams", "-of", "flat", str(path)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        listed.append(
            [line for line in lines.splitlines() if ".bit_rate" not in line and "size" not in line]
        )
    assert listed[0] == listed[1]

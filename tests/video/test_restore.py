"""Clips restored: frames changed, all else as it was."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from skimage.transform import resize

import ccnet
from ccnet.errors import PictureError, UsageError
from ccnet.restoration import AutoRestorer, Restorer
from ccnet.restoration.automatic import Outcome
from ccnet.video import Restored, restore_clip, restore_video

from .clips import hazy, packets, photographs, read_clip, times, write_clip

LOSSLESS = {"crf": "0"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", photographs(12))


def difference(one: Path, other: Path) -> float:
    pairs = zip(read_clip(one), read_clip(other), strict=True)
    return float(np.mean([np.abs(np.subtract(a, b, dtype=float)).mean() for a, b in pairs]))


def test_frames_are_what_restoring_them_one_by_one_gives(
    restorer: Restorer, tmp_path: Path
) -> None:
    """Each frame is a shot of its own, so that nothing is smoothed; FFmpeg converts to RGB here."""
    frames = [
        (resize(picture, (48, 64), anti_aliasing=True) * 255).astype(np.uint8)
        for picture in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket()) * 2
    ]
    source = write_clip(tmp_path / "a.mkv", frames, pixels="yuv444p", options=LOSSLESS)
    done = restore_clip(restorer, source, tmp_path / "b.mkv", crf=0)
    assert done == Restored(None, 8)
    for before, after in zip(read_clip(source), read_clip(tmp_path / "b.mkv"), strict=True):
        wanted = np.asarray(restorer(before))
        assert np.abs(wanted.astype(int) - before).mean() > 5
        assert np.abs(wanted.astype(int) - after).mean() < 1.5


def test_nothing_restored_loses_nothing(unchanging: Restorer, tmp_path: Path) -> None:
    """Only the change goes into the frames: no way to RGB and back."""
    source = write_clip(tmp_path / "a.mkv", photographs(6), options=LOSSLESS)
    restore_clip(unchanging, source, tmp_path / "b.mkv", crf=0)
    before, after = read_clip(source, "yuv420p"), read_clip(tmp_path / "b.mkv", "yuv420p")
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


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
    assert restore_clip(restorer, source, target) == Restored(None, 12)
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
    assert restore_clip(restorer, source, target) == Restored(None, 6)
    with av.open(str(target)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.pix_fmt) == (63, 47, result)
    assert [each[2] for each in packets(target, "audio")] == [
        each[2] for each in packets(source, "audio")
    ]


def test_a_silent_clip(restorer: Restorer, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", photographs(5), sound=None)
    assert restore_clip(restorer, source, tmp_path / "b.mp4") == Restored(None, 5)
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
    assert restore_clip(restorer, rich, target) == Restored(None, 12)
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


def cut_short(source: Path, target: Path, share: float) -> Path:
    contents = source.read_bytes()
    target.write_bytes(contents[: round(len(contents) * share)])
    return target


def test_a_clip_cut_short_restores_what_is_there(restorer: Restorer, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", photographs(40))
    source = cut_short(whole, tmp_path / "a.mkv", 0.6)
    done = restore_clip(restorer, source, tmp_path / "b.mkv")
    assert 10 < done.frames < 35
    assert len(read_clip(tmp_path / "b.mkv")) == done.frames
    assert done.fault is not None
    assert "a.mkv is cut short" in done.fault
    assert "of 1.6" in done.fault
    assert times(tmp_path / "b.mkv") == times(source)
    assert restore_clip(restorer, whole, tmp_path / "c.mkv").fault is None


def test_damage_in_the_middle_is_told(restorer: Restorer, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", photographs(40), options={"g": "5"})
    with av.open(str(whole)) as container:
        middle = [packet for packet in container.demux(video=0) if packet.size][15:25]
        places = [(packet.pos, packet.size) for packet in middle]
    contents = bytearray(whole.read_bytes())
    for start, size in places:
        contents[start or 0 : (start or 0) + size] = b"\xff" * size
    (tmp_path / "a.mp4").write_bytes(contents)
    done = restore_clip(restorer, tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert 25 <= done.frames < 40
    assert done.fault is not None
    assert "a.mp4 is damaged" in done.fault
    after = times(tmp_path / "b.mp4")
    assert after[-1] == times(whole)[-1]
    assert packets(tmp_path / "b.mp4", "audio") == packets(whole, "audio")


def test_a_packet_that_goes_back_in_time_is_left_out(restorer: Restorer, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", photographs(12))
    sound = packets(whole, "audio")
    when = round((sound[9][1] - sound[0][1]) * 1000)
    block = b"\x82" + when.to_bytes(2, "big") + b"\x80"  # of the second track
    contents = whole.read_bytes()
    assert contents.count(block) == 1
    (tmp_path / "a.mkv").write_bytes(contents.replace(block, b"\x82\0\0\x80"))
    done = restore_clip(restorer, tmp_path / "a.mkv", tmp_path / "b.mkv")
    assert done.frames == 12
    assert done.fault is not None
    assert "is damaged: 1 part" in done.fault
    after = [each[2] for each in packets(tmp_path / "b.mkv", "audio")]
    assert after == [each[2] for each in sound[:9] + sound[10:]]


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"", "cannot be read as a video"),
        (b"no clip" * 99, "cannot be read as a video"),
        (b"#EXTM3U\n#EXTINF:1,\nclip.mp4\n", "cannot be read as a video"),
        (b"ffconcat version 1.0\nfile clip.mp4\n", "cannot be read as a video"),
        (None, "is not there"),
    ],
)
def test_what_is_no_clip_is_refused(
    restorer: Restorer, clip: Path, tmp_path: Path, contents: bytes | None, words: str
) -> None:
    shutil.copy(clip, tmp_path / "clip.mp4")
    source = tmp_path / "a.mp4"
    if contents is not None:
        source.write_bytes(contents)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(PictureError, match=rf"a\.mp4 {words}"):
        restore_clip(restorer, source, tmp_path / "b.mp4")
    assert sorted(tmp_path.iterdir()) == before


def test_sound_alone_is_no_video(restorer: Restorer, clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(tmp_path / "a.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(PictureError, match=r"a\.mp4 holds no video"):
        restore_clip(restorer, tmp_path / "a.mp4", tmp_path / "b.mp4")


def test_an_interruption_leaves_nothing(restorer: Restorer, clip: Path, tmp_path: Path) -> None:
    def interrupt(frames: int, _: float | None) -> None:
        if frames == 5:
            assert list(tmp_path.iterdir()) != []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_clip(restorer, clip, tmp_path / "b.mp4", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unless_asked(
    restorer: Restorer, clip: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copy(clip, tmp_path))
    with pytest.raises(PictureError, match="is there already"):
        restore_clip(restorer, source, source)
    assert source.read_bytes() == clip.read_bytes()
    restore_clip(restorer, source, source, overwrite=True)
    assert difference(clip, source) > 3
    assert list(tmp_path.iterdir()) == [source]


def test_progress_tells_frames_and_shares(restorer: Restorer, clip: Path, tmp_path: Path) -> None:
    told: list[tuple[int, float | None]] = []
    restore_clip(restorer, clip, tmp_path / "b.mp4", progress=lambda *values: told.append(values))
    assert [frames for frames, _ in told] == list(range(1, 13))
    shares = [share for _, share in told if share is not None]
    assert shares == sorted(shares)
    assert 0.9 <= shares[-1] <= 1


def test_a_hazy_clip_is_recognised(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", hazy(photographs(6, (160, 128))))
    done = ccnet.restore_video(source, tmp_path / "b.mp4", device="cpu")
    assert done == Restored(Outcome("haze", "dehaze-small"), 6)
    assert contrast(tmp_path / "b.mp4") > 1.5 * contrast(source)


def test_a_clear_clip_is_left_as_it_is(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", photographs(6, (160, 128)))
    automatic = AutoRestorer(device="cpu")
    done = restore_clip(automatic, source, tmp_path / "b.mp4")
    assert done == Restored(Outcome("clear", None), 0)
    assert (tmp_path / "b.mp4").read_bytes() == source.read_bytes()
    assert restore_clip(automatic, source, tmp_path / "c.mp4", leave_clear=True).frames == 0
    assert not (tmp_path / "c.mp4").exists()
    assert restore_clip(automatic, source, tmp_path / "d.mkv", codec="hevc").frames == 6
    with av.open(str(tmp_path / "d.mkv")) as container:
        assert container.streams.video[0].codec.canonical_name == "hevc"
    assert difference(source, tmp_path / "d.mkv") < 3


def contrast(path: Path) -> float:
    return float(np.mean([frame.astype(float).std() for frame in arrays(path)]))


def arrays(path: Path) -> list[NDArray[Any]]:
    return [np.asarray(frame) for frame in read_clip(path)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"codec": "mpeg2"}, "codec=mpeg2"),
        ({"crf": -1}, "crf=-1"),
        ({"crf": 60, "codec": "h264"}, "crf=60"),
        ({"task": "derain"}, "derain"),
    ],
)
def test_wrong_arguments_are_named(
    clip: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises((UsageError, ccnet.CCNetError), match=words):
        restore_video(clip, tmp_path / "b.mp4", **{"task": "dehaze", **options})
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_video_is_written_under(
    restorer: Restorer, clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"b\.gif is no name"):
        restore_clip(restorer, clip, tmp_path / "b.gif")
    with pytest.raises(PictureError, match="WebM holds no h264"):
        restore_clip(restorer, clip, tmp_path / "b.webm", codec="h264")

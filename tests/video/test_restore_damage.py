"""Clips that are cut, damaged, or none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import pytest

from ccnet.errors import PictureError
from ccnet.restoration import Restorer
from ccnet.video import restore_clip

from .clips import packets, photographs, read_clip, times, write_clip


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


def test_what_is_no_file_is_refused(restorer: Restorer, tmp_path: Path) -> None:
    """A pipe can be read once, and whoever opens it again waits."""
    source = tmp_path / "a.mkv"
    source.symlink_to(os.devnull)
    with pytest.raises(PictureError, match=r"a\.mkv is no file\.$"):
        restore_clip(restorer, source, tmp_path / "b.mkv")


def test_sound_alone_is_no_video(restorer: Restorer, clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(tmp_path / "a.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(PictureError, match=r"a\.mp4 holds no video"):
        restore_clip(restorer, tmp_path / "a.mp4", tmp_path / "b.mp4")

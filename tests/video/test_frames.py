"""Frames read, restored and written at the same time, in runs, and with bounded memory."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest
from av import VideoFrame
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from ccnet.errors import PictureError
from ccnet.network import CCNet
from ccnet.restoration import Restorer
from ccnet.restoration.engines.engine import Averages, Floats, MemoryRanOut
from ccnet.restoration.engines.torch_engine import TorchEngine
from ccnet.video import frames as module
from ccnet.video import restore_clip
from ccnet.video.clip import Clip
from ccnet.video.writer import Writer

from .clips import packets, photographs, read_clip, whole, write_clip


def samples(path: Path) -> NDArray[np.int64]:
    return np.array(read_clip(path, "yuv444p")).astype(np.int64)


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_frames_restored_together_are_those_restored_alone(
    tiny_network: CCNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strength: float
) -> None:
    """On a CPU that takes four at once, as a GPU would."""
    source = write_clip(tmp_path / "a.mkv", photographs(11), pixels="yuv444p")
    restorer = Restorer(tiny_network, engine="torch", device="cpu", strength=strength)
    assert restore_clip(restorer, source, tmp_path / "alone.mkv", crf=0) == whole(11)
    counts: list[int] = []
    own = TorchEngine.restore

    def restore(engine: TorchEngine, batch: Floats, averages: Averages | None = None) -> Floats:
        counts.append(len(batch))
        return own(engine, batch, averages)

    monkeypatch.setattr(TorchEngine, "restore", restore)
    monkeypatch.setattr(restorer._engine, "together", 4)
    assert restore_clip(restorer, source, tmp_path / "together.mkv", crf=0) == whole(11)
    assert counts == [4, 4, 3]
    alone, together = samples(tmp_path / "alone.mkv"), samples(tmp_path / "together.mkv")
    assert np.abs(alone - samples(source)).mean() > 2
    assert np.abs(alone - together).max() <= 1


def test_a_batch_is_as_large_as_memory_and_tiles_allow(
    tiny_network: CCNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = Restorer(tiny_network, engine="torch", device="cpu")
    assert restorer.batch_size(48, 64) == 1
    monkeypatch.setattr(restorer._engine, "together", 8)
    monkeypatch.setattr(restorer._engine, "most_pixels", 3 * 48 * 64)
    assert restorer.batch_size(48, 64) == 3
    assert restorer.batch_size(24, 64) == 6
    assert restorer.batch_size(16, 16) == 8
    assert restorer.batch_size(480, 640) == 1
    tiled = Restorer(tiny_network, engine="torch", device="cpu", tile=512)
    monkeypatch.setattr(tiled._engine, "together", 8)
    assert (tiled.batch_size(512, 512), tiled.batch_size(16, 513)) == (8, 1)


def test_a_batch_for_which_memory_runs_out_is_restored_one_by_one(
    tiny_network: CCNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = Restorer(tiny_network, engine="torch", device="cpu")
    own = restorer._engine.restore

    def restore(batch: Floats, averages: Averages | None = None) -> Floats:
        if len(batch) > 1:
            raise MemoryRanOut(batch.size // 3)
        return own(batch, averages)

    pictures = [(picture / 255).astype(np.float32) for picture in photographs(3)]
    expected = [restorer(picture) for picture in pictures]
    monkeypatch.setattr(restorer._engine, "restore", restore)
    assert np.array_equal(restorer.restore_batch(pictures), expected)


class Watched:
    """Counts the parts of clips that are read and written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = self.written = self.most = 0
        self.changed = Event()
        parts, copy, encode = Clip.parts, Writer.copy, Writer.encode

        def counted_parts(clip: Clip) -> object:
            for part in parts(clip):
                self.read += 1
                self.most = max(self.most, self.read - self.written)
                self.changed.set()
                yield part

        def counted_copy(writer: Writer, packet: Packet[Stream]) -> None:
            copy(writer, packet)
            self.written += 1

        def counted_encode(writer: Writer, frame: VideoFrame) -> None:
            encode(writer, frame)
            self.written += 1
            self.changed.set()

        monkeypatch.setattr(Clip, "parts", counted_parts)
        monkeypatch.setattr(Writer, "copy", counted_copy)
        monkeypatch.setattr(Writer, "encode", counted_encode)


def test_the_next_frame_is_read_and_the_last_written_while_one_is_restored(
    restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "a.mp4", photographs(30), sound=None)
    watched = Watched(monkeypatch)
    own, number = Restorer.restore_batch, 0

    def restore(restorer: Restorer, pictures: Sequence[Floats]) -> list[Floats]:
        """Wait for the others, who would never come if they waited for this one."""
        nonlocal number
        number += 1
        while pictures and (watched.read < min(number + 1, 30) or watched.written < number - 1):
            assert watched.changed.wait(30)
            watched.changed.clear()
        return own(restorer, pictures)

    monkeypatch.setattr(Restorer, "restore_batch", restore)
    assert restore_clip(restorer, source, tmp_path / "b.mp4") == whole(30)
    assert watched.most <= 3


def test_packets_of_other_streams_are_not_gathered(
    restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sound goes on for long after the last frame."""
    source = tmp_path / "a.mkv"
    whole = write_clip(tmp_path / "whole.mkv", photographs(500))
    with av.open(str(whole)) as clip, av.open(str(source), "w") as container:
        streams = [container.add_stream_from_template(each) for each in clip.streams]
        for number, packet in enumerate(clip.demux()):
            if packet.size and (packet.stream.type == "audio" or number < 9):
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    sound = packets(source, "audio")
    assert len(sound) > 900
    watched = Watched(monkeypatch)
    restore_clip(restorer, source, tmp_path / "b.mkv")
    assert packets(tmp_path / "b.mkv", "audio") == sound
    assert watched.most <= 3 * module._PARTS


def test_frames_that_change_their_size_become_of_one_size(
    restorer: Restorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restorer._engine, "together", 4)
    clips = [
        write_clip(
            tmp_path / f"{size}.webm", photographs(3, (size, 48)), codec="libvpx-vp9", sound=None
        )
        for size in (64, 80)
    ]
    source = tmp_path / "a.webm"
    with av.open(str(source), "w") as container:
        for index, path in enumerate(clips):
            with av.open(str(path)) as clip:
                if not index:
                    stream = container.add_stream_from_template(clip.streams.video[0])
                for packet in clip.demux():
                    if packet.size and packet.pts is not None:
                        packet.pts = packet.dts = packet.pts + 120 * index
                        packet.stream = stream
                        container.mux(packet)
    assert {frame.shape for frame in read_clip(source)} == {(48, 64, 3), (48, 80, 3)}
    assert restore_clip(restorer, source, tmp_path / "b.webm").frames == 6
    assert {frame.shape for frame in read_clip(tmp_path / "b.webm")} == {(48, 64, 3)}


@pytest.mark.parametrize("error", [OSError, av.error.OSError])
def test_a_full_disk_ends_it_and_leaves_nothing(
    restorer: Restorer,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[OSError],
) -> None:
    own, number = Writer.encode, 0

    def encode(writer: Writer, frame: VideoFrame) -> None:
        nonlocal number
        number += 1
        if number == 5:
            raise error(errno.ENOSPC, "No space left on device")
        own(writer, frame)

    monkeypatch.setattr(Writer, "encode", encode)
    with pytest.raises(PictureError, match=r"b\.mp4 cannot be written: no space left on device"):
        restore_clip(restorer, clip, tmp_path / "b.mp4")
    assert list(tmp_path.iterdir()) == []
    assert number == 5


@pytest.mark.parametrize("error", [MemoryError, ValueError])
def test_what_fails_while_reading_is_raised(
    restorer: Restorer,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    own, number = module.upright, 0

    def upright(frame: VideoFrame) -> Floats:
        nonlocal number
        number += 1
        if number == 5:
            raise error
        return own(frame)

    monkeypatch.setattr(module, "upright", upright)
    with pytest.raises(error):
        restore_clip(restorer, clip, tmp_path / "b.mp4")
    assert list(tmp_path.iterdir()) == []

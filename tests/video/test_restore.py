"""Clips restored: frames changed, or left alone, and nothing lost on the way."""

from __future__ import annotations

import shutil
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

from .clips import difference, hazy, photographs, read_clip, whole, write_clip

LOSSLESS = {"crf": "0"}


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
    assert done == whole(8)
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


def test_progress_tells_frames_and_shares(restorer: Restorer, clip: Path, tmp_path: Path) -> None:
    told: list[tuple[int, float | None]] = []
    restore_clip(restorer, clip, tmp_path / "b.mp4", progress=lambda *values: told.append(values))
    assert [frames for frames, _ in told] == list(range(1, 13))
    shares = [share for _, share in told if share is not None]
    assert shares == sorted(shares)
    assert 0.9 <= shares[-1] <= 1


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


def test_a_hazy_clip_is_recognised(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", hazy(photographs(6, (160, 128))))
    done = ccnet.restore_video(source, tmp_path / "b.mp4", device="cpu")
    assert done == Restored(Outcome("haze", "dehaze-small"), 6, 6 * 160 * 128 / 1e6)
    assert contrast(tmp_path / "b.mp4") > 1.5 * contrast(source)


def test_it_is_recognised_on_frames_from_all_over_a_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame's gray tells its place; with one key frame, every search begins at the first."""
    frames = [np.full((48, 64, 3), 20 + 8 * place, np.uint8) for place in range(25)]
    options = {"crf": "0", "g": "1000", "sc_threshold": "0"}
    source = write_clip(tmp_path / "a.mp4", frames, sound=None, options=options)
    places: list[int] = []

    def choose(_: AutoRestorer, arrays: Any) -> tuple[None, Outcome]:
        places.extend(round((255 * float(np.mean(array)) - 20) / 8) for array in arrays)
        return None, Outcome("clear", None)

    monkeypatch.setattr(AutoRestorer, "choose", choose)
    restore_clip(AutoRestorer(device="cpu"), source, tmp_path / "b.mp4", leave_clear=True)
    assert places == [0, 5, 10, 15, 20]


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
        ({"crf": 60}, "^crf=60 must be from 0, the best, to 51"),
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

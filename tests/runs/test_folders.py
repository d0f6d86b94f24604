"""What inputs mean and where results go."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ccnet.errors import PictureError, UsageError
from ccnet.runs.folders import Job, find_pictures, passed_over, plan


def planned(*inputs: Path, output: Path | None = None, to: str | None = None) -> list[Job]:
    return plan([str(path) for path in inputs], output, to)


def targets(jobs: list[Job]) -> dict[Path, Path]:
    assert all(job.fault is None for job in jobs)
    return {job.source: job.target for job in jobs}


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_result_stands_beside_its_source_under_another_name(tmp_path: Path) -> None:
    source = tmp_path / "hazy.JPG"
    touch(source)
    assert targets(planned(source)) == {source: tmp_path / "hazy-restored.JPG"}
    assert targets(planned(source, to="png")) == {source: tmp_path / "hazy-restored.png"}


def test_videos_are_found_beside_pictures(tmp_path: Path) -> None:
    names = ["a.jpg", "b.MP4", "c.mkv", "d.avi", "sub/e.webm", "f.txt"]
    touch(*(tmp_path / name for name in names))
    assert targets(planned(tmp_path, to="png")) == {
        tmp_path / "a.jpg": tmp_path / "a-restored.png",
        tmp_path / "b.MP4": tmp_path / "b-restored.MP4",
        tmp_path / "c.mkv": tmp_path / "c-restored.mkv",
        tmp_path / "d.avi": tmp_path / "d-restored.mkv",
        tmp_path / "sub/e.webm": tmp_path / "sub/e-restored.webm",
    }
    out = tmp_path / "out"
    assert targets(planned(tmp_path / "d.avi", output=out)) == {tmp_path / "d.avi": out / "d.mkv"}
    assert targets(planned(tmp_path / "d.avi", output=tmp_path / "x.mp4")) == {
        tmp_path / "d.avi": tmp_path / "x.mp4"
    }


def test_output_is_a_file_for_one_file_and_a_folder_otherwise(tmp_path: Path) -> None:
    source, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    touch(source, other)
    assert targets(planned(source, output=tmp_path / "c.png")) == {source: tmp_path / "c.png"}
    out = tmp_path / "out"
    assert targets(planned(source, output=out)) == {source: out / "a.jpg"}
    with pytest.raises(UsageError, match="one file"):
        planned(source, other, output=tmp_path / "c.png")


def test_an_output_of_another_format_is_no_folder(tmp_path: Path) -> None:
    source, folder = tmp_path / "a.jpg", tmp_path / "old.gif"
    touch(source)
    with pytest.raises(UsageError, match=r"b\.HEIC cannot be written: \.HEIC is no suffix of a"):
        planned(source, output=tmp_path / "b.HEIC")
    folder.mkdir()
    assert targets(planned(source, output=folder)) == {source: folder / "a.jpg"}
    assert targets(planned(source, output=tmp_path / "v1.2")) == {source: tmp_path / "v1.2/a.jpg"}


def test_pictures_of_other_formats_are_counted(tmp_path: Path) -> None:
    names = ("a.jpg", "b.HEIC", "c.heic", ".d.heic", "e.txt", "sub/f.cr2", "sub/g.png")
    touch(*(tmp_path / name for name in names))
    assert passed_over([str(tmp_path)]) == {".heic": 2, ".cr2": 1}
    assert passed_over([str(tmp_path / "b.HEIC"), "memory://bucket"]) == {}


def test_a_picture_becomes_no_video(tmp_path: Path) -> None:
    picture, video = tmp_path / "a.jpg", tmp_path / "a.mkv"
    touch(picture, video)
    (refused,) = planned(picture, output=tmp_path / "b.mp4")
    assert refused.fault == f"{picture} is not restored: {tmp_path / 'b.mp4'} is called a video."
    assert not planned(video, output=tmp_path / "b.mp4")[0].fault


def test_folders_keep_their_structure_and_pass_over_other_files(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    touch(source / "a.jpg", source / "deep" / "er" / "b.TIFF", source / "notes.txt", source / "c")
    assert targets(planned(source, output=out)) == {
        source / "a.jpg": out / "a.jpg",
        source / "deep" / "er" / "b.TIFF": out / "deep" / "er" / "b.TIFF",
    }


def test_results_of_an_earlier_run_are_not_restored_again(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "a-restored.jpg", tmp_path / "out" / "a.jpg")
    names = {job.source.name for job in planned(tmp_path, output=tmp_path / "out")}
    assert names == {"a.jpg"}
    assert [job.source for job in planned(tmp_path / "*.jpg")] == [tmp_path / "a.jpg"]
    named = tmp_path / "a-restored.jpg"
    assert [job.source for job in planned(named)] == [named]


def test_a_file_called_like_the_mark_alone_is_no_result(tmp_path: Path) -> None:
    names = ("-restored.jpg", "-restored-compare.png", "-restored.jpg-compare.jpg")
    touch(*(tmp_path / name for name in names))
    assert {job.source.name for job in planned(tmp_path)} == set(names)


def test_globs_reach_into_folders_and_a_file_named_like_one_is_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "x" / "a.jpg", tmp_path / "y" / "b.jpg", tmp_path / "[1].jpg")
    found = planned(tmp_path / "**" / "*.jpg", output=tmp_path / "out")
    assert {job.source.name for job in found} == {"a.jpg", "b.jpg", "[1].jpg"}
    assert [job.source for job in planned(tmp_path / "[1].jpg")] == [tmp_path / "[1].jpg"]


def test_a_file_named_twice_is_restored_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    assert len(planned(tmp_path / "a.jpg", tmp_path, output=tmp_path / "out")) == 1


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.jpg")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in", target_is_directory=True)
    assert [job.source for job in planned(tmp_path / "in")] == [tmp_path / "in" / "a.jpg"]


def test_a_glob_goes_into_no_links_to_folders(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    touch(folder / "a.jpg", folder / "s" / "b.jpg", folder / ".h" / "c.jpg")
    for loop in ("l1", "l2"):
        (folder / "s" / loop).symlink_to(folder, target_is_directory=True)
    for pattern in ("**/*.jpg", "**", "**/**/*"):
        found = [job.source for job in planned(folder / pattern)]
        assert found == [folder / "a.jpg", folder / "s" / "b.jpg"]


@pytest.mark.parametrize("output", [".", "in", "in/out"])
def test_an_output_above_its_inputs_is_no_earlier_result(output: str, tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.jpg", tmp_path / "in" / "out" / "b.jpg")
    expected = {"a.jpg"} if output == "in/out" else {"a.jpg", "b.jpg"}
    for source in ("in", "in/**/*.jpg"):
        found = planned(tmp_path / source, output=tmp_path / output)
        assert {job.source.name for job in found} == expected


def test_a_comparison_never_takes_the_place_of_its_source(tmp_path: Path) -> None:
    source = tmp_path / "a-compare.png"
    touch(source)
    with pytest.raises(UsageError, match=r"a-compare\.png is the input"):
        plan([str(source)], tmp_path / "a.png", None, compare=True)


def test_the_second_of_two_results_of_one_name_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "a.png")
    first, second = planned(tmp_path, output=tmp_path / "out", to="webp")
    assert first.fault is None
    assert second.fault is not None
    assert "a.png is not restored" in second.fault


@pytest.mark.parametrize("name", ["", "*.jpg", "missing.jpg"])
def test_an_input_that_gives_nothing_is_named(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "notes.txt")
    (job,) = planned(tmp_path / name)
    assert job.fault is not None
    assert str(tmp_path / name) in job.fault


def test_what_cannot_be_looked_at_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    long = tmp_path / ("n" * 300 + ".jpg")
    first, second = planned(tmp_path / "a.jpg", long, output=tmp_path / "out")
    assert first.fault is None
    assert second.fault == f"{long} is not there."
    (job,) = planned(tmp_path / "a.jpg", output=long)
    assert job.target == long


def test_a_folder_that_cannot_be_read_is_told_to_who_lists_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "closed" / "b.jpg")
    list_folder = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PictureError, match="closed cannot be read: permission denied"):
        find_pictures(tmp_path)


@pytest.mark.parametrize("output", [None, "out"])
def test_a_folder_without_a_name_that_gives_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    (job,) = plan(["."], Path(output) if output else None, None, compare=True)
    assert (
        job.fault
        == ". gives no file that is called a JPEG, PNG, WebP, TIFF or AVIF picture or a video."
    )


def test_comparisons_take_no_place_of_others_and_are_not_restored(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "a-restored.jpg", tmp_path / "a-restored-compare.png")
    assert [job.source for job in planned(tmp_path)] == [tmp_path / "a.jpg"]
    touch(tmp_path / "in" / "b.png", tmp_path / "in" / "b-compare.png")
    jobs = plan([str(tmp_path / "in")], tmp_path / "out", None, True)
    assert [job.fault for job in jobs] == [None, None]
    names = {place.name for job in jobs for place in (job.target, job.comparison) if place}
    assert names == {"b.png", "b-compare.png", "b.png-compare.png", "b-compare-compare.png"}


def test_pictures_that_differ_by_suffix_have_comparisons_of_their_own(tmp_path: Path) -> None:
    touch(*(tmp_path / "in" / name for name in ("a.jpg", "a.png", "a.mp4", f"{'b' * 251}.png")))
    jobs = plan([str(tmp_path / "in")], None, None, True)
    assert [job.fault for job in jobs] == [None] * 4
    names = [job.comparison.name if job.comparison else "" for job in jobs]
    assert names[:3] == ["a-restored-compare.png", "", "a-restored.png-compare.png"]
    assert len(names[3]) == 255
    touch(
        *(job.comparison for job in jobs[:3] if job.comparison), *(job.target for job in jobs[:3])
    )
    assert [job.source for job in planned(tmp_path / "in")] == [job.source for job in jobs]


def test_folders_and_globs_have_manifests_and_single_files_none(tmp_path: Path) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    touch(inputs / "a.jpg", inputs / "b.jpg")
    assert {job.folder for job in planned(inputs, output=out)} == {out}
    assert {job.folder for job in planned(inputs)} == {inputs}
    assert {job.folder for job in planned(inputs / "*.jpg")} == {inputs}
    files = (inputs / "a.jpg", inputs / "b.jpg")
    assert {job.folder for job in planned(*files, output=out)} == {out}
    assert {job.folder for job in planned(*files)} == {None}
    assert {job.folder for job in planned(files[0], output=out)} == {None}

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccnet.datasets.listing import Disk
from ccnet.datasets.matching import Found, pair_folders, unused_targets
from ccnet.datasets.naming import gt_for_hazy, same_name, without_strengths


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def messages(found: Found) -> list[str]:
    return [problem.message for problem in found.problems]


@given(
    scenes=st.dictionaries(
        st.integers(0, 2000).map(lambda number: f"{number:04}"),
        st.lists(
            st.tuples(st.integers(1, 12), st.floats(0.1, 2).map(lambda beta: f"{beta:.3}")),
            min_size=1,
            max_size=3,
            unique=True,
        ),
        min_size=1,
        max_size=6,
    ),
    lost=st.sets(st.integers(0, 5)),
    seed=st.integers(0, 99),
)
def test_every_hazy_picture_finds_its_own_scene(
    scenes: dict[str, list[tuple[int, str]]], lost: set[int], seed: int
) -> None:
    """Whatever suffixes and case; those of scenes that are lost are named, and no others."""
    draw = random.Random(seed)
    gone = {scene for at, scene in enumerate(sorted(scenes)) if at in lost}
    hazy = {f"{scene}_{at}_{beta}": scene for scene, all_ in scenes.items() for at, beta in all_}
    with tempfile.TemporaryDirectory() as folder:
        degraded, target = Path(folder) / "hazy", Path(folder) / "gt"
        for place in (degraded, target):
            place.mkdir()
        touch(degraded, *(name + draw.choice([".png", ".JPG"]) for name in hazy))
        touch(target, *(scene + draw.choice([".png", ".TIF"]) for scene in {*scenes} - gone))
        found = pair_folders(Disk(), degraded, target, stems=without_strengths)
    assert {pair.name: pair.target.stem for pair in found.pairs} == {
        name: scene for name, scene in hazy.items() if scene not in gone
    }
    assert all(pair.scene == pair.target.stem for pair in found.pairs)
    assert {problem.path.stem for problem in found.problems} == {
        name for name, scene in hazy.items() if scene in gone
    }


def test_a_name_as_written_comes_before_other_spellings(tmp_path: Path) -> None:
    touch(tmp_path, "bad/a.png", "bad/A.png", "bad/b.png", "good/a.png", "good/A.png", "good/B.png")
    found = pair_folders(Disk(), tmp_path / "bad", tmp_path / "good", stems=same_name)
    targets = {pair.name: pair.target.name for pair in found.pairs}
    assert targets == {"a": "a.png", "A": "A.png", "b": "B.png"}
    assert not found.problems


def test_two_targets_are_one_too_many(tmp_path: Path) -> None:
    touch(tmp_path, "hazy/1400_1.png", "hazy/7_1.png", "gt/1400.png", "gt/1400_1.png")
    touch(tmp_path, "gt/7.png", "gt/7.jpg")
    found = pair_folders(Disk(), tmp_path / "hazy", tmp_path / "gt", stems=without_strengths)
    assert not found.pairs
    assert messages(found) == [
        f"{tmp_path / 'hazy' / name} has several targets, {both} in {tmp_path / 'gt'}; keep one."
        for name, both in (
            ("1400_1.png", "1400_1.png and 1400.png"),
            ("7_1.png", "7.jpg and 7.png"),
        )
    ]
    assert not unused_targets([found])


def test_two_degraded_pictures_of_one_name(tmp_path: Path) -> None:
    touch(tmp_path, "bad/1.jpg", "bad/1.png", "good/1.png")
    found = pair_folders(Disk(), tmp_path / "bad", tmp_path / "good", stems=same_name)
    assert [pair.degraded.name for pair in found.pairs] == ["1.jpg"]
    bad = tmp_path / "bad"
    assert messages(found) == [
        f"{bad / '1.png'} has the same name as {bad / '1.jpg'}; keep one of them."
    ]


def test_what_is_not_paired_is_told_from_both_sides(tmp_path: Path) -> None:
    touch(tmp_path, "bad/1.jpg", "bad/2.jpg", "bad/3.bmp", "good/1.png", "good/4.png")
    bad, good = tmp_path / "bad", tmp_path / "good"
    found = pair_folders(Disk(), bad, good, stems=same_name)
    faults = [problem.message for problem in found.problems if not problem.warning]
    assert faults == [f"{bad / '2.jpg'} has no target: 2 is not in {good}."]
    warnings = [problem for problem in found.problems if problem.warning]
    assert [problem.path for problem in warnings] == [bad / "3.bmp"]
    (unused,) = unused_targets([found])
    assert unused.warning
    assert unused.message == f"{good / '4.png'} is no picture's target."


def test_targets_used_elsewhere_are_used(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.png", "test/2.png", "gt/1.png", "gt/2.png", "gt/3.png")
    disk = Disk()
    found = [
        pair_folders(disk, tmp_path / split, tmp_path / "gt", stems=same_name)
        for split in ("train", "test")
    ]
    assert [problem.path.name for problem in unused_targets(found)] == ["3.png"]


def test_one_folder_for_both(tmp_path: Path) -> None:
    touch(tmp_path, "01_hazy.png", "01_GT.png", "02_hazy.png", "03_GT.png")
    found = pair_folders(Disk(), tmp_path, tmp_path, stems=gt_for_hazy)
    assert [(pair.name, pair.target.name) for pair in found.pairs] == [("01_hazy", "01_GT.png")]
    assert messages(found) == [
        f"{tmp_path / '02_hazy.png'} has no target: 02_GT or 02_hazy is not in {tmp_path}."
    ]
    assert [problem.path.name for problem in unused_targets([found])] == ["03_GT.png"]


def test_a_folder_that_cannot_be_listed_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "bad/1.png", "bad/2.png", "good/1.png")
    scandir = os.scandir

    def refuse(folder: Path) -> Iterator[os.DirEntry[str]]:
        if folder.name == "good":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    found = pair_folders(Disk(), tmp_path / "bad", tmp_path / "good", stems=same_name)
    assert messages(found) == [f"{tmp_path / 'good'} cannot be listed: permission denied."]


def test_names_that_are_no_text_are_paired(tmp_path: Path) -> None:
    touch(tmp_path, "bad/caf\udce9.png", "good/caf\udce9.png")
    (pair,) = pair_folders(Disk(), tmp_path / "bad", tmp_path / "good", stems=same_name).pairs
    assert pair.target.name == "caf\udce9.png"

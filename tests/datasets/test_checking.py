from __future__ import annotations

from pathlib import Path

import pytest

from ccnet.datasets.catalogue import SPLITS
from ccnet.datasets.checking import DatasetCheck
from ccnet.datasets.layouts import find_pairs
from ccnet.errors import DatasetError

from .trees import TREES, picture, plant, plant_tree


@pytest.mark.parametrize("tree", TREES)
def test_whole_copies_have_no_problems(tree: str, tmp_path: Path) -> None:
    dataset, path = TREES[tree][0], plant_tree(tmp_path, tree)
    check = DatasetCheck(dataset, path)
    assert [problem for problem in check.problems() if not problem.warning] == []
    for split in SPLITS:
        try:
            pairs = find_pairs(dataset, path, split)
        except DatasetError:
            pairs = []
        assert check.splits.get(split, []) == pairs


def test_all_problems_are_named(tmp_path: Path) -> None:
    plant_tree(tmp_path, "gopro")
    sequence, test = tmp_path / "train" / "GOPR0372_07_00", tmp_path / "test" / "GOPR0384_11_00"
    (sequence / "sharp" / "000047.png").unlink()
    (sequence / "blur" / "000048.jpg").write_bytes(picture(".jpg"))
    (sequence / "sharp" / "000048.png").write_bytes(picture(".png", height=20))
    (sequence / "sharp" / "000099.png").write_bytes(picture(".png"))
    (test / "blur" / "000047.png").write_bytes(b"")
    (test / "blur" / "000048.png").write_bytes(picture(".png")[:300])
    (test / "sharp" / "000047.png").write_text("no picture")
    (test / "sharp" / "000048.png").unlink()
    (test / "sharp" / "000048.png").symlink_to("nowhere")
    problems = list(DatasetCheck("gopro", tmp_path).problems())
    blur, sharp = sequence / "blur", sequence / "sharp"
    told = {(problem.path, problem.message) for problem in problems if not problem.warning}
    assert {(path, message) for path, message in told if sequence in path.parents} == {
        (blur / "000047.png", f"{blur / '000047.png'} has no target: 000047 is not in {sharp}."),
        (
            blur / "000048.png",
            f"{blur / '000048.png'} has the same name as {blur / '000048.jpg'}; keep one of them.",
        ),
        (
            blur / "000048.jpg",
            f"{blur / '000048.jpg'} is 24 by 16 pixels and its target {sharp / '000048.png'} "
            "24 by 20; a pair needs the same size.",
        ),
    }
    broken = {path: message for path, message in told if test in path.parents}
    assert broken.keys() == {
        test / kind / name for kind in ("blur", "sharp") for name in ("000047.png", "000048.png")
    }
    assert all(str(path) in message for path, message in broken.items())
    assert broken[test / "blur" / "000047.png"].endswith("is empty.")
    assert len(told) == 7, "and nothing is told twice"
    assert [problem.path for problem in problems if problem.warning] == [sharp / "000099.png"]


def test_headers_alone_do_not_show_what_is_cut_short(tmp_path: Path) -> None:
    plant_tree(tmp_path, "sots-indoor")
    (tmp_path / "indoor" / "hazy" / "1400_1.png").write_bytes(picture(".png")[:300])
    assert list(DatasetCheck("sots-indoor", tmp_path).problems(quick=True)) == []
    (problem,) = DatasetCheck("sots-indoor", tmp_path).problems()
    assert problem.path.name == "1400_1.png"
    (tmp_path / "indoor" / "hazy" / "1400_1.png").write_bytes(picture(".png", height=12))
    for quick in (True, False):
        (problem,) = DatasetCheck("sots-indoor", tmp_path).problems(quick=quick)
        assert "is 24 by 12 pixels and its target" in problem.message


def test_a_shared_target_is_read_once_and_told_of_once(tmp_path: Path) -> None:
    plant_tree(tmp_path, "its")
    (tmp_path / "clear" / "2.png").write_bytes(b"")
    check = DatasetCheck("reside-indoor", tmp_path)
    done: list[int] = []
    (problem,) = check.problems(progress=done.append)
    assert problem.message == f"{tmp_path / 'clear' / '2.png'} is empty."
    assert len(check.pictures) == 12 + 4
    assert done == list(range(1, 17))


def test_the_frame_of_reside_is_no_other_size(tmp_path: Path) -> None:
    plant_tree(tmp_path, "sots-indoor")
    target = tmp_path / "indoor" / "gt" / "1400.png"
    target.write_bytes(picture(".png", height=36, width=44))
    assert list(DatasetCheck("sots-indoor", tmp_path).problems()) == []
    target.write_bytes(picture(".png", height=36, width=42))
    assert len(list(DatasetCheck("sots-indoor", tmp_path).problems())) == 1


def test_pictures_of_two_splits_are_warned_of(tmp_path: Path) -> None:
    plant(tmp_path, ["1.jpg", "2.jpg", "t.png"])
    file = tmp_path / "pairs.csv"
    file.write_text("degraded,target,split\n1.jpg,t.png,train\n2.jpg,t.png,test\n")
    shared, alone = sorted(
        DatasetCheck("csv", file).problems(), key=lambda p: p.path != tmp_path / "t.png"
    )
    assert shared.message == f"{tmp_path / 't.png'} is in train and in test."
    assert "are of one scene" in alone.message
    assert shared.warning
    assert alone.warning


def test_an_empty_part_is_a_problem(tmp_path: Path) -> None:
    plant_tree(tmp_path, "csd-repacked")
    for kind in ("Snow", "Gt"):
        (tmp_path / "test2000" / kind / "1.tif").unlink()
    (problem,) = DatasetCheck("csd", tmp_path).problems()
    assert problem.message == f"{tmp_path} holds no pairs for test."


@pytest.mark.parametrize(
    ("tree", "summary"),
    [
        (
            "csd",
            "train 2 pairs of 2 scenes, validation 1 pair of 1 scene, test 2 pairs of 2 scenes",
        ),
        ("sots-nyuhaze500", "test 2 pairs of 1 scene"),
    ],
)
def test_a_summary_counts_pairs_and_scenes(tree: str, summary: str, tmp_path: Path) -> None:
    check = DatasetCheck(TREES[tree][0], plant_tree(tmp_path, tree))
    assert list(check.problems()) == []
    assert check.summary() == f"{summary}; 24 by 16 pixels"

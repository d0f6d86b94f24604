"""Pairs listed in a CSV file; RSBlur's lists are tested with the other layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccnet.datasets.layouts import find_pairs
from ccnet.datasets.lists import read_csv, read_list
from ccnet.errors import DatasetError

from .trees import plant


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def faults(path: Path) -> list[str]:
    return [problem.message for found in read_csv(path).values() for problem in found.problems]


def test_paths_are_relative_to_the_file_or_absolute(tmp_path: Path) -> None:
    plant(tmp_path, ["set/bad/1.jpg", "set/good/1.png", "elsewhere/2.jpg", "elsewhere/2.png"])
    elsewhere = tmp_path / "elsewhere"
    file = write(
        tmp_path / "set" / "pairs.csv",
        "degraded,target",
        "./bad/1.jpg,good/1.png",
        f"{elsewhere / '2.jpg'},../elsewhere/2.png",
    )
    pairs = find_pairs("csv", file, "test")
    names = [f"{elsewhere / '2'}".strip("/"), "bad/1"]
    assert sorted(pair.name for pair in pairs) == sorted(names)
    assert all(pair.degraded.is_file() and pair.target.is_file() for pair in pairs)
    assert {pair.scene for pair in pairs} == {"good/1", "elsewhere/2"}


def test_splits_and_scenes_are_the_file_s(tmp_path: Path) -> None:
    plant(tmp_path, [f"{at}.jpg" for at in range(1, 6)] + ["t.png"])
    file = write(
        tmp_path / "pairs.csv",
        "\ufeffSplit, Scene ,TARGET,degraded,weather",
        "train,garden,t.png,1.jpg,fog",
        "Training,garden,t.png,2.jpg,fog",
        "val,street,t.png,3.jpg",
        "test,street,t.png,4.jpg,",
        "",
        'train,"a, b",t.png,5.jpg,fog',
    )
    scenes = {pair.name: pair.scene for pair in find_pairs("csv", file, "train")}
    assert scenes == {"1": "garden", "2": "garden", "5": "a, b"}
    assert [pair.name for pair in find_pairs("csv", file, "validation")] == ["3"]
    assert [pair.name for pair in find_pairs("csv", file, "test")] == ["4"]


def test_validation_is_held_out_by_scene_where_the_file_names_none(tmp_path: Path) -> None:
    plant(tmp_path, ["1.jpg", "2.jpg", "3.jpg", "t.png"])
    rows = [f"{at}.jpg,t.png,train,{'ab'[at > 2]}" for at in (1, 2, 3)]
    file = write(tmp_path / "pairs.csv", "degraded,target,split,scene", *rows)
    sides = [find_pairs("csv", file, split) for split in ("train", "validation")]
    assert sorted(len({pair.scene for pair in side}) for side in sides) == [1, 1]
    assert sum(map(len, sides)) == 3
    with pytest.raises(DatasetError, match="has no split test, only train"):
        find_pairs("csv", file, "test")


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    plant(tmp_path, ["1.jpg", "1.png", "2.jpg", "t.png"])
    file = write(
        tmp_path / "pairs.csv",
        "degraded,target,split",
        "1.jpg,t.png,train",
        "gone.jpg,t.png,train",
        "2.jpg,gone.png,train",
        "2.jpg,,train",
        "2.jpg,t.png,dev",
        "t.png,t.png,train",
        "1.jpg,t.png,test",
        "1.png,t.png,train",
    )
    assert sorted(faults(file)) == [
        f"{file}, line {line}, {fault}."
        for line, fault in (
            (3, f"names {tmp_path / 'gone.jpg'}, which is not there"),
            (4, f"names {tmp_path / 'gone.png'}, which is not there"),
            (5, "does not name both a degraded picture and its target"),
            (6, "has dev as its split; write train, validation or test"),
            (7, f"names {tmp_path / 't.png'} as its own target"),
            (8, f"names {tmp_path / '1.jpg'} again, or as line 2 but for the suffix"),
            (9, f"names {tmp_path / '1.png'} again, or as line 2 but for the suffix"),
        )
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "does not begin with the columns degraded,target"),
        (b"hazy,clear\n1.jpg,2.jpg\n", "does not begin with the columns degraded,target"),
        (b"degraded,target\n", "lists no pairs"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "does not begin with|is no CSV file"),
        (b'degraded,target\n"1.jpg,2.jpg\n', "is no CSV file: unexpected end of data"),
        (b"degraded,target\n" + b"x" * 200_000, "is no CSV file: field larger than"),
    ],
)
def test_files_that_are_no_list(data: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes(data)
    with pytest.raises(DatasetError, match=told):
        find_pairs("csv", tmp_path / "pairs.csv", "test")


@pytest.mark.parametrize("name", ["gone.csv", "\0", "x" * 300])
def test_no_file_at_all(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read as a CSV file"):
        find_pairs("csv", tmp_path / name, "test")


def test_names_that_are_no_text_or_too_long(tmp_path: Path) -> None:
    plant(tmp_path, ["caf\udce9.jpg", "t.png"])
    file = tmp_path / "pairs.csv"
    file.write_bytes(b"degraded,target\ncaf\xe9.jpg,t.png\n" + b"y" * 5000 + b".jpg,t.png\n")
    found = read_csv(file)["all"]
    assert [pair.name for pair in found.pairs] == ["caf\udce9"]
    assert len(found.problems) == 1


def test_lists_of_pairs_name_every_bad_line(tmp_path: Path) -> None:
    plant(tmp_path, ["0001/000001/gt/gt_sharp.png", "0001/000001/real_blur/real_blur.png"])
    line = "RSBlur/0001/{0}/gt/gt_sharp.png RSBlur/0001/{0}/real_blur/real_blur.png"
    lines = line.format("000001"), "", "one", line.format("000002"), "a b c", "gt.png blur.png"
    file = write(tmp_path / "list.txt", *lines)
    found = read_list(file, tmp_path, r"^([^/]+)/")
    assert [(pair.name, pair.scene) for pair in found.pairs] == [("0001/000001", "0001")]
    missing = tmp_path / "0001" / "000002" / "real_blur" / "real_blur.png"
    assert [problem.message for problem in found.problems] == [
        f"{file}, line 3, does not name a target and a degraded picture.",
        f"{file}, line 4, names {missing}, which is not there.",
        f"{file}, line 5, does not name a target and a degraded picture.",
        f"{file}, line 6, does not name a target and a degraded picture.",
    ]

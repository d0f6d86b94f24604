"""The pairs of every dataset, found in tiny copies with the names of the real ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ccnet.datasets.catalogue import LAYOUTS, SPLITS
from ccnet.datasets.layouts import find_pairs
from ccnet.errors import DatasetError, UsageError

from .trees import SNOW100K_TEST, TREES, plant, plant_tree

# Per copy: names by split (for training and validation together where the dataset splits neither),
# and what the target of each is called.
EXPECTED = {
    "its": ({"training": 12}, {"1_10_0.910179": "clear/1.png", "4_2_0.92179": "clear/4.png"}),
    "its-with-splits": (
        {"training": 4, "test": 1},
        {"3_1": "train/gt/3_1.png", "1400_1": "test/gt/1400.png"},
    ),
    "ots": (
        {"training": 10, "test": 1},
        {"0003_0.8_0.08": "train/gt/0003.jpg", "0077_0.85_0.16": "test/gt/0077.png"},
    ),
    "ots-in-parts": ({"training": 2}, {"part2/0008_0.9_0.12": "clear_images/0008.jpg"}),
    "sots-indoor": ({"test": 1}, {"1400_1": "indoor/gt/1400.png"}),
    "sots-nyuhaze500": ({"test": 2}, {"1400_10": "nyuhaze500/gt/1400.png"}),
    "sots-outdoor": ({"test": 1}, {"0001_0.8_0.2": "outdoor/gt/0001.png"}),
    "gopro": (
        {"training": 6, "test": 2},
        {
            "GOPR0372_07_01/000048": "train/GOPR0372_07_01/sharp/000048.png",
            "GOPR0384_11_00/000047": "test/GOPR0384_11_00/sharp/000047.png",
        },
    ),
    "gopro-flat": (
        {"train": 2, "validation": 1, "test": 1},
        {"GOPR0385_11_01-003011": "valid/sharp/GOPR0385_11_01-003011.png"},
    ),
    "hide": (
        {"training": 2, "test": 2},
        {
            "70fromGOPR1096.MP4": "GT/70fromGOPR1096.MP4.png",
            "test-close-ups/2fromGOPR0972.MP4": "GT/2fromGOPR0972.MP4.png",
            "test-long-shot/9fromGOPR0950": "GT/9fromGOPR0950.png",
        },
    ),
    "hide-flat": ({"test": 1}, {"2fromGOPR0972.MP4": "sharp/2fromGOPR0972.MP4.png"}),
    "rsblur": (
        {"train": 3, "validation": 1, "test": 1},
        {"0001/000002": "0001/000002/gt/gt_sharp.png"},
    ),
    "csd": ({"training": 3, "test": 2}, {"10": "Train/Gt/10.tif"}),
    "csd-repacked": ({"training": 2, "test": 1}, {"2": "train2500/Gt/2.tif"}),
    "srrs": ({"training": 2, "test": 1}, {"3": "test2000/Gt/3.jpg"}),
    "srrs-as-published": ({"training": 2, "test": 2}, {"1": "gt/1.jpg"}),
    "snow100k": (
        {"training": 2, "test": 3},
        {
            "beautiful_smile_00003": "all/gt/beautiful_smile_00003.jpg",
            "Snow100K-M/city_read_00581": "Snow100K-M/gt/city_read_00581.jpg",
        },
    ),
    "snow100k-unpacked": (
        {"test": 1},
        {"Snow100K-L/a_01": f"{SNOW100K_TEST}/Snow100K-L/gt/a_01.jpg"},
    ),
    "snow100k-archive": (
        {"training": 2, "test": 1},
        {"Snow100K-L/a_01": f"Snow100K-testset/{SNOW100K_TEST}/Snow100K-L/gt/a_01.jpg"},
    ),
    "dense-haze": ({"train": 3, "validation": 2, "test": 2}, {"09_hazy": "GT/09_GT.png"}),
    "nh-haze": ({"train": 2, "validation": 1, "test": 1}, {"55_hazy": "55_GT.png"}),
    "o-haze": (
        {"train": 2, "validation": 1, "test": 2},
        {"36_outdoor_hazy": "GT/36_outdoor_GT.jpg"},
    ),
}


def of_all_splits(dataset: str, path: Path) -> dict[str, set[str]]:
    """The names of each split that there is."""
    names = {}
    for split in SPLITS:
        try:
            names[split] = {pair.name for pair in find_pairs(dataset, path, split)}
        except DatasetError as error:
            assert "has no split" in str(error)  # noqa: PT017
    return names


@pytest.mark.parametrize("tree", TREES)
def test_every_layout_has_its_pairs_and_splits(tree: str, tmp_path: Path) -> None:
    dataset, path = TREES[tree][0], plant_tree(tmp_path / tree, tree)
    counts, targets = EXPECTED[tree]
    names = of_all_splits(dataset, path)
    pairs = [pair for split in names for pair in find_pairs(dataset, path, split)]
    if "training" in counts:
        assert len(names["train"]) + len(names["validation"]) == counts["training"]
        assert names["train"]
        assert names["validation"]
    for split in SPLITS:
        if split in counts:
            assert len(names[split]) == counts[split]
    assert ("test" in names) == ("test" in counts)
    if tree != "srrs-as-published":  # which has no split of its own
        assert len({pair.degraded for pair in pairs}) == len(pairs), "splits are disjoint"
    for name, target in targets.items():
        assert {pair.target for pair in pairs if pair.name == name} == {path / target}
    assert all(pair.degraded.is_file() for pair in pairs)


def test_every_layout_is_tried() -> None:
    assert {dataset for dataset, _ in TREES.values()} == LAYOUTS.keys() - {"folders", "csv"}
    assert EXPECTED.keys() == TREES.keys()


@pytest.mark.parametrize(
    ("tree", "scenes"),
    [
        ("gopro", {"GOPR0372_07_00", "GOPR0372_07_01", "GOPR0374_11_00"}),
        ("gopro-flat", {"GOPR0372_07_00", "GOPR0374_11_00"}),
        ("its", {"1", "2", "3", "4"}),
        ("hide", {"GOPR1096", "GOPR1089"}),
        ("rsblur", {"0001", "0002"}),
    ],
)
def test_scenes_are_sequences_or_shared_targets(
    tree: str, scenes: set[str], tmp_path: Path
) -> None:
    dataset, path = TREES[tree][0], plant_tree(tmp_path, tree)
    pairs = find_pairs(dataset, path, "train", held_out=0)
    assert {pair.scene for pair in pairs} == scenes


@pytest.mark.parametrize("tree", TREES)
def test_the_folder_above_does_too(tree: str, tmp_path: Path) -> None:
    dataset, path = TREES[tree][0], plant_tree(tmp_path / "above" / "set", tree)
    (path.parent / "unrelated" / "photos").mkdir(parents=True)
    assert of_all_splits(dataset, path.parent) == of_all_splits(dataset, path)


@pytest.mark.parametrize(
    ("tree", "way", "split"),
    [
        ("gopro", "train", "train"),
        ("gopro-flat", "valid", "validation"),
        ("gopro", "test", "test"),
        ("hide", "test", "test"),
        ("csd", "Train", "train"),
        ("csd-repacked", "test2000", "test"),
        ("snow100k", "all", "train"),
        ("sots-indoor", "indoor", "test"),
        ("sots-nyuhaze500", "nyuhaze500", "test"),
        ("ots", "train", "train"),
        ("its", "hazy", "train"),
    ],
)
def test_a_split_by_its_own_folder_is_that_split_alone(
    tree: str, way: str, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, path = TREES[tree][0], plant_tree(tmp_path, tree)
    assert find_pairs(dataset, path / way, split) == find_pairs(dataset, path, split)
    if split != "test":
        with pytest.raises(DatasetError, match=r"no split test, only .*validation\.$"):
            find_pairs(dataset, path / way, "test")
    monkeypatch.chdir(path / way)
    here = find_pairs(dataset, Path(), split)
    there = find_pairs(dataset, path, split)
    assert [pair.name for pair in here] == [pair.name for pair in there]


def test_one_subset_of_several_by_its_own_folder(tmp_path: Path) -> None:
    plant_tree(tmp_path, "snow100k")
    (pair,) = find_pairs("snow100k", tmp_path / "Snow100K-M", "test")
    assert pair.name == "Snow100K-M/city_read_00581"


def test_parts_of_reside_beside_one_another_are_told_apart(tmp_path: Path) -> None:
    plant_tree(tmp_path / "ITS", "its")
    plant_tree(tmp_path / "SOTS", "sots-indoor")
    plant_tree(tmp_path / "SOTS", "sots-outdoor")
    plant_tree(tmp_path / "OTS", "ots-in-parts")
    assert len(find_pairs("reside-indoor", tmp_path, "train", held_out=0)) == 12
    assert len(find_pairs("reside-outdoor", tmp_path, "train", held_out=0)) == 2
    for dataset, target in (("sots-indoor", "1400.png"), ("sots-outdoor", "0001.png")):
        (pair,) = find_pairs(dataset, tmp_path, "test")
        assert pair.target.name == target


def test_what_several_folders_could_be_is_asked_for(tmp_path: Path) -> None:
    for name in ("first", "second"):
        plant_tree(tmp_path / name, "gopro")
    with pytest.raises(DatasetError, match=r"look like gopro, first and second; name the one"):
        find_pairs("gopro", tmp_path, "train")


@pytest.mark.parametrize(
    ("tree", "place", "dataset", "named"),
    [
        ("sots-indoor", "SOTS/indoor", "sots-outdoor", "sots-indoor"),
        ("sots-indoor", "SOTS/indoor/hazy", "sots-outdoor", "sots-indoor"),
        ("sots-indoor", "SOTS", "reside-indoor", "sots-indoor"),
        ("its", "ITS", "sots-indoor", "reside-indoor"),
        ("its", "ITS/hazy", "reside-outdoor", "reside-indoor"),
        ("csd", "CSD", "srrs", "csd"),
        ("gopro-flat", "GoPro", "hide", "gopro"),
        ("nh-haze", "NH-HAZE", "dense-haze", "nh-haze"),
        ("csd", "CSD", "rsblur", "csd"),
    ],
)
def test_another_dataset_is_refused_though_it_looks_the_same(
    tree: str, place: str, dataset: str, named: str, tmp_path: Path
) -> None:
    plant_tree(tmp_path / place.partition("/")[0], tree)
    if dataset == "rsblur":
        plant_tree(tmp_path, "rsblur")  # its lists count for the folders beside them
    with pytest.raises(DatasetError, match=f"is by its name {named} and not {dataset}; name"):
        find_pairs(dataset, tmp_path / place, "test")


def test_another_dataset_is_no_choice_beside_the_one_meant(tmp_path: Path) -> None:
    plant_tree(tmp_path / "ITS", "its")
    with pytest.raises(DatasetError, match="ITS is by its name reside-indoor"):
        find_pairs("sots-indoor", tmp_path, "test")
    plant_tree(tmp_path / "renamed", "sots-nyuhaze500")
    assert len(find_pairs("sots-indoor", tmp_path, "test")) == 2


def test_only_case_apart_is_told_of_where_it_is_used(tmp_path: Path) -> None:
    plant_tree(tmp_path, "csd")
    for twin in ("test", "Test/snow", "PHOTOS", "photos"):
        (tmp_path / twin).mkdir()
    if len(list(tmp_path.iterdir())) < 5:
        pytest.skip("upper and lower case are the same here")
    with pytest.raises(
        DatasetError, match=r"Test.snow differs from .*Test.Snow in case alone.* 2 "
    ):
        find_pairs("csd", tmp_path, "test")
    assert find_pairs("csd", tmp_path, "train")


def test_case_and_clutter_do_not_matter(tmp_path: Path) -> None:
    names = ["HAZY/01_Hazy.PNG", "Gt/01_gt.png", "HAZY/51_hazy.png", "Gt/51_GT.PNG"]
    plant(tmp_path, [name[:-3] + "png" for name in names])
    (tmp_path / "HAZY" / "01_Hazy.png").rename(tmp_path / "HAZY" / "01_Hazy.PNG")
    for clutter in ("HAZY/Thumbs.db", "HAZY/.DS_Store", "Gt/._01_gt.png", "HAZY/notes.txt"):
        (tmp_path / clutter).write_bytes(b"\0")
    plant(tmp_path / "HAZY" / "__MACOSX", ["52_hazy.png"])
    plant(tmp_path / "__MACOSX", ["hazy/52_hazy.png", "GT/52_GT.png"])
    (train,) = find_pairs("dense-haze", tmp_path, "train", held_out=0)
    (test,) = find_pairs("dense-haze", tmp_path, "test")
    assert (train.name, test.name) == ("01_Hazy", "51_hazy")
    assert train.target.name == "01_gt.png"


def test_pairs_are_sorted_as_people_count(tmp_path: Path) -> None:
    plant_tree(tmp_path, "its")
    names = [pair.name for pair in find_pairs("reside-indoor", tmp_path, "train", held_out=0)]
    assert names[:4] == ["1_1_0.91179", "1_2_0.92179", "1_10_0.910179", "2_1_0.91179"]


def test_pairs_without_the_test_numbers_are_kept_together(tmp_path: Path) -> None:
    plant(tmp_path, [f"{at:02}_{kind}.png" for at in (1, 2, 3) for kind in ("hazy", "GT")])
    assert len(find_pairs("nh-haze", tmp_path, "test")) == 3
    train, validation = (find_pairs("nh-haze", tmp_path, split) for split in SPLITS[:2])
    assert {*train} | {*validation} == {*find_pairs("nh-haze", tmp_path, "test")}
    assert not {*train} & {*validation}


def test_rsblur_lists_may_lie_elsewhere_and_the_folder_be_called_otherwise(tmp_path: Path) -> None:
    files = TREES["rsblur"][1]
    plant(tmp_path / "blurry", [name for name in files if not name.endswith(".txt")])
    lists = tmp_path / "blurry" / "datalist" / "RSBlur"
    plant(lists, [name for name in files if name.endswith(".txt")])
    names = ["0001/000001", "0001/000002", "0002/000021"]
    for path in (tmp_path / "blurry", tmp_path):
        assert [pair.name for pair in find_pairs("rsblur", path, "train")] == names
    shutil.move(lists / "RSBlur_real_val.txt", tmp_path)
    (pair,) = find_pairs("rsblur", tmp_path / "blurry", "validation")
    assert pair.scene in ("0001", "0002"), "held out of train, where no list is beside the others"


def test_two_folders(tmp_path: Path) -> None:
    plant(tmp_path / "bad", ["a/1.jpg", "a/2.jpg", "b/1.jpg", "lone.jpg"])
    plant(tmp_path / "good", ["A/1.png", "a/2.png", "b/1.png", "lone.tif"])
    targets = tmp_path / "good"
    pairs = find_pairs("folders", tmp_path / "bad", "test", targets=targets)
    ways = [(pair.name, pair.target.relative_to(targets).as_posix(), pair.scene) for pair in pairs]
    assert ways == [
        ("a/1", "A/1.png", "A"),
        ("a/2", "a/2.png", "a"),
        ("b/1", "b/1.png", "b"),
        ("lone", "lone.tif", "lone"),
    ]


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    plant(tmp_path / "bad", ["a/1.jpg"])
    plant(tmp_path / "good", ["a/1.jpg"])
    (tmp_path / "bad" / "a" / "again").symlink_to(tmp_path / "bad")
    (tmp_path / "bad" / "a" / "itself").symlink_to(tmp_path / "bad" / "a" / "itself")
    os.mkfifo(tmp_path / "bad" / "a" / "pipe.jpg")
    assert len(find_pairs("folders", tmp_path / "bad", "test", targets=tmp_path / "good")) == 1


def test_one_folder_is_not_two(tmp_path: Path) -> None:
    plant(tmp_path, ["1.jpg"])
    with pytest.raises(DatasetError, match="are the same folder; folders needs two"):
        find_pairs("folders", tmp_path, "test", targets=tmp_path / ".")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("goprow", "set", "test"), r"goprow is no dataset; did you mean gopro\?"),
        (("SOTS", "set", "test"), r"no dataset; did you mean sots-indoor or sots-outdoor\?"),
        (("gopro", "set", "tset"), "split=tset is none of train, validation, test"),
        (("gopro", "gone", "test"), r"gone is not a folder that can be read: no such file"),
        (("gopro", "set/notes.txt", "test"), "is not a folder that can be read: not a directory"),
        (("gopro", "\0", "test"), "is not a folder that can be read: .*null"),
        (("gopro", "set", "test"), r"does not look like gopro, which has train/GOPR0372.*list"),
        (("folders", "set", "test"), "folders needs two"),
        (("csv", "set", "test"), "cannot be read as a CSV file: is a directory"),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(
    arguments: tuple[str, str, str], told: str, tmp_path: Path
) -> None:
    plant(tmp_path / "set", ["1.jpg"])
    (tmp_path / "set" / "notes.txt").touch()
    dataset, path, split = arguments
    with pytest.raises(UsageError, match=told):
        find_pairs(dataset, tmp_path / path, split)


@pytest.mark.parametrize("held_out", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none(held_out: float, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="must be from 0 to below 1"):
        find_pairs("gopro", plant_tree(tmp_path, "gopro"), "train", held_out=held_out)


def test_targets_are_for_two_folders_only(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="gopro takes one path"):
        find_pairs("gopro", plant_tree(tmp_path, "gopro"), "test", targets=tmp_path)


def test_missing_partners_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    plant_tree(folder, "csd")
    for name in ("2.tif", "10.tif"):
        (folder / "Train" / "Gt" / name).unlink()
    with pytest.raises(DatasetError) as caught:
        find_pairs("csd", folder, "train")
    command = f"ccnet data check csd '{folder}' lists all."
    first = os.path.join("Train", "Snow", "10.tif")  # noqa: PTH118
    assert str(caught.value).startswith(str(folder / first))
    assert "the first of 2 problems" in str(caught.value)
    assert str(caught.value).endswith(command)
    assert len(find_pairs("csd", folder, "test")) == 2, "another split is whole"


def test_a_folder_without_its_targets_is_told_of(tmp_path: Path) -> None:
    plant_tree(tmp_path, "gopro")
    shutil.rmtree(tmp_path / "test" / "GOPR0384_11_00" / "sharp")
    shutil.rmtree(tmp_path / "train" / "GOPR0374_11_00" / "sharp")
    for split, sequence in (("test", "GOPR0384_11_00"), ("train", "GOPR0374_11_00")):
        with pytest.raises(DatasetError) as caught:
            find_pairs("gopro", tmp_path, split)
        blur = tmp_path / split / sequence / "blur"
        told = f"{blur} has no folder of targets, sharp, that fits it; ccnet data check"
        assert str(caught.value).startswith(told)


def test_pictures_of_a_single_sequence_are_split_by_name(tmp_path: Path) -> None:
    frames = [f"train/GOPR0372_07_00/{kind}/{at}.png" for kind in ("blur", "sharp") for at in "123"]
    plant(tmp_path, frames)
    sides = [find_pairs("gopro", tmp_path, split) for split in ("train", "validation")]
    assert sorted(map(len, sides)) == [1, 2]


def test_a_single_target_cannot_be_split(tmp_path: Path) -> None:
    plant(tmp_path, ["hazy/1_1.png", "hazy/1_2.png", "gt/1.png"])
    with pytest.raises(DatasetError, match="are of one scene, so none can be"):
        find_pairs("reside-indoor", tmp_path, "train")
    assert len(find_pairs("reside-indoor", tmp_path, "train", held_out=0)) == 2


def test_an_empty_split_is_told(tmp_path: Path) -> None:
    plant_tree(tmp_path, "csd-repacked")
    for kind in ("Snow", "Gt"):
        (tmp_path / "test2000" / kind / "1.tif").unlink()
    with pytest.raises(DatasetError, match="holds no pairs for test"):
        find_pairs("csd", tmp_path, "test")

"""The datasets by name: where each is published, how its folders look, and what its names mean.

A dataset is a row here and nothing else. Folder patterns are relative to the dataset's folder, in
lower or upper case; `a|b` is the first of those that is there, `*` and `[sm]` are all that match,
and a `*` in the target's pattern stands for the same as in the degraded one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ccnet.datasets.naming import gt_for_hazy, same_name, without_strengths

SPLITS = ("train", "validation", "test")

_VALIDATION = "valid|val|validation"


@dataclass(frozen=True)
class Folders:
    """Patterns of a folder of degraded pictures and of the folder that holds their targets."""

    degraded: str
    target: str


@dataclass(frozen=True)
class Layout:
    """How a dataset is distributed.

    Attributes:
        title: Its full name.
        task: What a network learns from it: "dehaze", "deblur", "desnow" or "any".
        published: Address of its official page, or what it is where there is none.
        sketch: Its files as an indented tree, with names as they really are.
        splits: Per split the ways its folders can be called, of which the first that is there
            counts; "all" are ways to hold pairs without splits, which count where no split is.
        targets: Stems that the target of a degraded picture's stem can have.
        scene: Regular expression whose group tells a scene from a pair's name; without one, pairs
            with the same target are a scene.
        numbered: Splits by the number that names begin with, of pairs in "all".
        lists: Files that list a split's pairs, target first, one pair a line.
        folders: What its folder is usually called, in lower case, to tell it from others that may
            look the same.
        frame: Pixels that a target can have more on each side.
        note: What else to know, in whole sentences.
    """

    title: str
    task: str
    published: str
    sketch: str
    splits: Mapping[str, tuple[Folders, ...]] = field(default_factory=dict)
    targets: Callable[[str], tuple[str, ...]] = same_name
    scene: str = ""
    numbered: Mapping[str, range] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    frame: int = 0
    note: str = ""


def _in_splits(degraded: str, target: str, train: str, test: str) -> dict[str, tuple[Folders, ...]]:
    """The usual way: a folder for each split, with two folders in it."""
    names = {"train": train, "validation": _VALIDATION, "test": test}
    return {
        split: (Folders(f"{name}/{degraded}", f"{name}/{target}"),) for split, name in names.items()
    }


_RESIDE = "https://sites.google.com/view/reside-dehaze-datasets"
_FRAMED = (
    "A target with NYU Depth's white frame, 10 pixels wider on each side than its hazy picture, is "
    "cut to it."
)
_HAZY, _CLEAR = "hazy|haze|its_haze", "gt|clear|its_clear"
_NTIRE = {"train": range(46), "validation": range(46, 51), "test": range(51, 56)}
_NTIRE_2018 = {"train": range(36), "validation": range(36, 41), "test": range(41, 46)}
_HAZE_PAIRS = {
    **_in_splits("hazy|haze", "gt", "train", "test"),
    "all": (Folders("hazy|haze", "gt"), Folders(".", ".")),
}

_SNOW100K_ARCHIVE = "media/jdway/gamessd/overlapping/test/"

LAYOUTS: dict[str, Layout] = {
    "reside-indoor": Layout(
        title="RESIDE, indoor training set (ITS)",
        task="dehaze",
        published=_RESIDE,
        sketch="train/hazy/1_1_0.90179.png\ntrain/gt/1.png",
        splits={
            "train": (Folders(f"train/{_HAZY}", f"train/{_CLEAR}"), Folders(_HAZY, _CLEAR)),
            "validation": (Folders(f"{_VALIDATION}/{_HAZY}", f"{_VALIDATION}/{_CLEAR}"),),
            "test": (Folders(f"test/{_HAZY}", f"test/{_CLEAR}"),),
        },
        targets=without_strengths,
        folders=("its", "its_v2", "reside-in", "reside-indoor", "indoor"),
        frame=10,
        note=f"hazy/ and gt/ or clear/ without train/ do too, and are train. {_FRAMED}",
    ),
    "reside-outdoor": Layout(
        title="RESIDE, outdoor training set (OTS)",
        task="dehaze",
        published=_RESIDE,
        sketch="train/hazy/0001_0.8_0.08.jpg\ntrain/gt/0001.jpg",
        splits={
            "train": (
                Folders("train/hazy|haze", "train/gt|clear"),
                Folders("haze/ots", "clear/clear_images"),
                Folders("hazy|haze|ots/part*", "gt|clear|clear_images"),
                Folders("hazy|haze|ots", "gt|clear|clear_images"),
            ),
            "validation": (Folders(f"{_VALIDATION}/hazy|haze", f"{_VALIDATION}/gt|clear"),),
            "test": (Folders("test/hazy|haze", "test/gt|clear"),),
        },
        targets=without_strengths,
        folders=("ots", "ots_alpha", "ots_beta", "reside-out", "reside-outdoor", "outdoor"),
        note="hazy/ (also in part1/, part2/, ...) and gt/ or clear/ without train/ do too.",
    ),
    "sots-indoor": Layout(
        title="RESIDE, objective test set (SOTS), indoor",
        task="dehaze",
        published=_RESIDE,
        sketch="indoor/hazy/1400_1.png\nindoor/gt/1400.png",
        splits={
            "test": (
                Folders("indoor/nyuhaze500/hazy", "indoor/nyuhaze500/gt|clear"),
                Folders("indoor/hazy", "indoor/gt|clear"),
                Folders("nyuhaze500/hazy", "nyuhaze500/gt|clear"),
                Folders("test/hazy", "test/gt|clear"),
                Folders("hazy", "gt|clear"),
            )
        },
        targets=without_strengths,
        folders=("sots", "sots-indoor", "indoor", "nyuhaze500", "reside-in", "reside-indoor"),
        frame=10,
        note=f"nyuhaze500/, test/ or no folder instead of indoor/ do too. {_FRAMED}",
    ),
    "sots-outdoor": Layout(
        title="RESIDE, objective test set (SOTS), outdoor",
        task="dehaze",
        published=_RESIDE,
        sketch="outdoor/hazy/0001_0.8_0.2.jpg\noutdoor/gt/0001.png",
        splits={
            "test": (
                Folders("outdoor/hazy", "outdoor/gt|clear"),
                Folders("test/hazy", "test/gt|clear"),
                Folders("hazy", "gt|clear"),
            )
        },
        targets=without_strengths,
        folders=("sots", "sots-outdoor", "outdoor", "reside-out", "reside-outdoor"),
        note="test/ or no folder instead of outdoor/ do too.",
    ),
    "gopro": Layout(
        title="GoPro",
        task="deblur",
        published="https://seungjunnah.github.io/Datasets/gopro",
        sketch="train/GOPR0372_07_00/blur/000047.png\n"
        "train/GOPR0372_07_00/sharp/000047.png\n"
        "test/GOPR0384_11_00/...",
        splits={
            split: (
                Folders(f"{name}/*/blur", f"{name}/*/sharp"),
                Folders(f"{name}/blur|input", f"{name}/sharp|target"),
            )
            for split, name in (("train", "train"), ("validation", _VALIDATION), ("test", "test"))
        },
        scene=r"^(GOPR\d+_\d+_\d+|[^/]+(?=/))",
        folders=("gopro", "gopro_large"),
        note="train/blur/GOPR0372_07_00-000047.png with train/sharp/ does too. blur_gamma/ is not "
        "used. A scene is a sequence.",
    ),
    "hide": Layout(
        title="HIDE",
        task="deblur",
        published="https://github.com/joanshen0508/HA_deblur",
        sketch="train/70fromGOPR1096.MP4.png\n"
        "test/test-close-ups/3fromGOPR0972.MP4.png\n"
        "test/test-long-shot/...\n"
        "GT/70fromGOPR1096.MP4.png",
        splits={
            "train": (
                Folders("train/blur|input", "train/sharp|target"),
                Folders("train", "gt"),
            ),
            "test": (
                Folders("test/test-*", "gt"),
                Folders("test/blur|input", "test/sharp|target|gt"),
                Folders("blur|input", "sharp|target|gt"),
                Folders("test", "gt"),
            ),
        },
        scene=r"from([^/.]+)",
        folders=("hide", "hide_dataset"),
        note="test/blur/ with test/sharp/, or blur/ with sharp/ as test, do too. A scene is a "
        "recording.",
    ),
    "rsblur": Layout(
        title="RSBlur",
        task="deblur",
        published="https://github.com/rimchang/RSBlur",
        sketch="0001/000001/real_blur/real_blur.png\n"
        "0001/000001/gt/gt_sharp.png\n"
        "RSBlur_real_train.txt\nRSBlur_real_val.txt\nRSBlur_real_test.txt",
        lists={
            "train": "RSBlur_real_train.txt",
            "validation": "RSBlur_real_val.txt",
            "test": "RSBlur_real_test.txt",
        },
        scene=r"^([^/]+)/",
        folders=("rsblur",),
        note="The list files come from datalist/RSBlur/ of its repository; put them into the "
        "dataset's folder, beside it, or into its datalist/RSBlur/.",
    ),
    "csd": Layout(
        title="Comprehensive Snow Dataset (CSD)",
        task="desnow",
        published="https://github.com/weitingchen83/ICCV2021-Single-Image-Desnowing-HDCWNet",
        sketch="Train/Snow/1.tif\nTrain/Gt/1.tif\nTest/Snow/...\nTest/Gt/...",
        splits=_in_splits("snow", "gt", "train2500|train", "test2000|test"),
        folders=("csd",),
        note="train2500/ and test2000/ do too. Mask/ is not used.",
    ),
    "srrs": Layout(
        title="Snow Removal in Realistic Scenario (SRRS)",
        task="desnow",
        published="https://github.com/weitingchen83/JSTASR-DesnowNet-ECCV-2020",
        sketch="train2500/Snow/1.jpg\ntrain2500/Gt/1.jpg\ntest2000/Snow/...\ntest2000/Gt/...",
        splits={
            **_in_splits("snow|syn", "gt", "train2500|train", "test2000|test"),
            "all": (Folders("syn|snow", "gt_new|gt"),),
        },
        folders=("srrs", "srrs-2021", "srrs_15004"),
        note="Syn/ and gt/ as it is published, without splits, do too.",
    ),
    "snow100k": Layout(
        title="Snow100K",
        task="desnow",
        published="https://sites.google.com/view/yunfuliu/desnownet",
        sketch="all/synthetic/beautiful_smile_00003.jpg\n"
        "all/gt/beautiful_smile_00003.jpg\n"
        "Snow100K-S/synthetic/...\nSnow100K-M/...\nSnow100K-L/...",
        splits={
            "train": (
                Folders("snow100k-training/all/synthetic", "snow100k-training/all/gt"),
                Folders("all/synthetic", "all/gt"),
                Folders("train/synthetic", "train/gt"),
                Folders("train2500|train/snow", "train2500|train/gt"),
            ),
            "validation": (Folders(f"{_VALIDATION}/synthetic", f"{_VALIDATION}/gt"),),
            "test": (
                *(
                    Folders(f"{unpacked}snow100k-[sml]/synthetic", f"{unpacked}*/gt")
                    for place in ("snow100k-testset/", "")
                    for unpacked in (f"{place}{_SNOW100K_ARCHIVE}", f"{place}test/", place)
                ),
                Folders("test/synthetic", "test/gt"),
                Folders("test2000|test/snow", "test2000|test/gt"),
            ),
        },
        folders=("snow100k",),
        note="mask/ is not used. test/Snow100K-S/, and train2500/ and test2000/ with Snow/ and "
        "Gt/, do too.",
    ),
    "dense-haze": Layout(
        title="Dense-Haze",
        task="dehaze",
        published="https://data.vision.ee.ethz.ch/cvl/ntire19/dense-haze/",
        sketch="hazy/01_hazy.png\nGT/01_GT.png",
        splits=_HAZE_PAIRS,
        targets=gt_for_hazy,
        numbered=_NTIRE,
        folders=("dense-haze", "dense_haze", "densehaze", "dense_haze_ntire19"),
        note="As in NTIRE 2019, 46 to 50 are validation and 51 to 55 are test.",
    ),
    "nh-haze": Layout(
        title="NH-HAZE",
        task="dehaze",
        published="https://data.vision.ee.ethz.ch/cvl/ntire20/nh-haze/",
        sketch="01_hazy.png\n01_GT.png",
        splits=_HAZE_PAIRS,
        targets=gt_for_hazy,
        numbered=_NTIRE,
        folders=("nh-haze", "nh_haze", "nhhaze"),
        note="As in NTIRE 2020, 46 to 50 are validation and 51 to 55 are test. hazy/ and GT/ do "
        "too.",
    ),
    "o-haze": Layout(
        title="O-HAZE",
        task="dehaze",
        published="https://data.vision.ee.ethz.ch/cvl/ntire18/o-haze/",
        sketch="hazy/01_outdoor_hazy.jpg\nGT/01_outdoor_GT.jpg",
        splits=_HAZE_PAIRS,
        targets=gt_for_hazy,
        numbered=_NTIRE_2018,
        folders=("o-haze", "o_haze", "ohaze", "# o-hazy ntire 2018"),
        note="As in NTIRE 2018, 36 to 40 are validation and 41 to 45 are test.",
    ),
    "folders": Layout(
        title="Any two folders",
        task="any",
        published="your own",
        sketch="DEGRADED/holiday/1.jpg\nTARGETS/holiday/1.png",
        note="A pair has the same name in both, whatever the suffix, in the same subfolder. The "
        "pictures of one subfolder are one scene.",
    ),
    "csv": Layout(
        title="Any pairs, listed in a CSV file",
        task="any",
        published="your own",
        sketch="degraded,target,split,scene\nhazy/1.jpg,clear/1.png,train,garden",
        note="split (train, validation or test) and scene can be left out. Paths are relative to "
        "the file's folder, or absolute.",
    ),
}

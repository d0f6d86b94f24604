"""Tiny copies of the datasets, with the irregular names that the real ones have."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

_FORMATS = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}

_RSBLUR = ["0001/000001", "0001/000002", "0002/000021", "0003/000041", "0004/000061"]


SNOW100K_TEST = "media/jdway/GameSSD/overlapping/test"


def _both(way: str, degraded: str, target: str, names: Iterable[str]) -> list[str]:
    return [f"{way}{folder}/{name}" for folder in (degraded, target) for name in names]


TREES: dict[str, tuple[str, list[str]]] = {
    "its": (
        "reside-indoor",
        [f"hazy/{scene}_{at}_0.9{at}179.png" for scene in range(1, 5) for at in (1, 2, 10)]
        + [f"clear/{scene}.png" for scene in range(1, 5)],
    ),
    "its-with-splits": (
        "reside-indoor",
        [f"train/hazy/{scene}_1.png" for scene in range(1, 5)]
        + [f"train/gt/{scene}_1.png" for scene in range(1, 5)]
        + ["test/hazy/1400_1.png", "test/gt/1400.png"],
    ),
    "ots": (
        "reside-outdoor",
        [f"train/hazy/{scene:04}_0.8_0.{at}.jpg" for scene in range(5) for at in ("08", "2")]
        + [f"train/gt/{scene:04}.jpg" for scene in range(5)]
        + ["test/hazy/0077_0.85_0.16.jpg", "test/gt/0077.png"],
    ),
    "ots-in-parts": (
        "reside-outdoor",
        [
            "OTS/part1/0005_0.8_0.04.jpg",
            "OTS/part2/0008_0.9_0.12.jpg",
            "clear_images/0005.jpg",
            "clear_images/0008.jpg",
        ],
    ),
    "sots-indoor": ("sots-indoor", ["indoor/hazy/1400_1.png", "indoor/gt/1400.png"]),
    "sots-nyuhaze500": (
        "sots-indoor",
        ["nyuhaze500/hazy/1400_1.png", "nyuhaze500/hazy/1400_10.png", "nyuhaze500/gt/1400.png"],
    ),
    "sots-outdoor": ("sots-outdoor", ["outdoor/hazy/0001_0.8_0.2.jpg", "outdoor/gt/0001.png"]),
    "gopro": (
        "gopro",
        [
            f"{sequence}/{kind}/{frame}.png"
            for sequence in (
                "train/GOPR0372_07_00",
                "train/GOPR0372_07_01",
                "train/GOPR0374_11_00",
                "test/GOPR0384_11_00",
            )
            for kind in ("blur", "blur_gamma", "sharp")
            for frame in ("000047", "000048")
        ],
    ),
    "gopro-flat": (
        "gopro",
        _both("train/", "blur", "sharp", ["GOPR0372_07_00-000047.png", "GOPR0374_11_00-000150.png"])
        + _both("valid/", "blur", "sharp", ["GOPR0385_11_01-003011.png"])
        + _both("test/", "blur", "sharp", ["GOPR0384_11_00-000001.png"]),
    ),
    "hide": (
        "hide",
        [
            f"{split}/{name}.png"
            for split, name in (
                ("train", "70fromGOPR1096.MP4"),
                ("train", "3fromGOPR1089.MP4"),
                ("test/test-close-ups", "2fromGOPR0972.MP4"),
                ("test/test-long-shot", "9fromGOPR0950"),
                ("GT", "70fromGOPR1096.MP4"),
                ("GT", "3fromGOPR1089.MP4"),
                ("GT", "2fromGOPR0972.MP4"),
                ("GT", "9fromGOPR0950"),
            )
        ],
    ),
    "hide-flat": ("hide", _both("", "blur", "sharp", ["2fromGOPR0972.MP4.png"])),
    "rsblur": (
        "rsblur",
        [f"{way}/real_blur/real_blur.png" for way in _RSBLUR]
        + [f"{way}/gt/gt_sharp.png" for way in _RSBLUR]
        + [f"{way}/avg65_img/avg_blur.png" for way in _RSBLUR]
        + ["RSBlur_real_train.txt", "RSBlur_real_val.txt", "RSBlur_real_test.txt"],
    ),
    "csd": (
        "csd",
        [f"Train/{kind}/{at}.tif" for kind in ("Snow", "Gt", "Mask") for at in (1, 2, 10)]
        + _both("Test/", "Snow", "Gt", ["1.tif", "2.tif"]),
    ),
    "csd-repacked": (
        "csd",
        _both("train2500/", "Snow", "Gt", ["1.tif", "2.tif"])
        + _both("test2000/", "Snow", "Gt", ["1.tif"]),
    ),
    "srrs": (
        "srrs",
        _both("train2500/", "Snow", "Gt", ["1.jpg", "2.jpg"])
        + _both("test2000/", "Snow", "Gt", ["3.jpg"]),
    ),
    "srrs-as-published": (
        "srrs",
        ["Syn/1.jpg", "Syn/2.jpg", "gt/1.jpg", "gt/2.jpg", "Combine Snow/1.jpg"],
    ),
    "snow100k": (
        "snow100k",
        [
            f"all/{kind}/beautiful_smile_0000{at}.jpg"
            for kind in ("synthetic", "gt")
            for at in (1, 3)
        ]
        + ["all/mask/beautiful_smile_00001.jpg"]
        + _both("Snow100K-S/", "synthetic", "gt", ["city_read_00581.jpg"])
        + _both("Snow100K-M/", "synthetic", "gt", ["city_read_00581.jpg"])
        + _both("Snow100K-L/", "synthetic", "gt", ["city_read_00581.jpg"]),
    ),
    "snow100k-unpacked": (
        "snow100k",
        _both(f"{SNOW100K_TEST}/Snow100K-L/", "synthetic", "gt", ["a_01.jpg"]),
    ),
    "snow100k-archive": (
        "snow100k",
        _both("Snow100K-training/all/", "synthetic", "gt", ["b_02.jpg", "c_03.jpg"])
        + _both(f"Snow100K-testset/{SNOW100K_TEST}/Snow100K-L/", "synthetic", "gt", ["a_01.jpg"]),
    ),
    "dense-haze": (
        "dense-haze",
        [f"hazy/{at:02}_hazy.png" for at in (1, 9, 45, 46, 50, 51, 55)]
        + [f"GT/{at:02}_GT.png" for at in (1, 9, 45, 46, 50, 51, 55)],
    ),
    "nh-haze": (
        "nh-haze",
        [f"{at:02}_{kind}.png" for at in (1, 45, 46, 55) for kind in ("hazy", "GT")],
    ),
    "o-haze": (
        "o-haze",
        [f"hazy/{at:02}_outdoor_hazy.jpg" for at in (1, 35, 36, 41, 45)]
        + [f"GT/{at:02}_outdoor_GT.jpg" for at in (1, 35, 36, 41, 45)],
    ),
}
"""By name: the layout, and the files of a copy."""


def plant(folder: Path, names: Iterable[str]) -> Path:
    """Make files: pictures of 24 by 16 pixels, and RSBlur's lists as they are published."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        listed = {"train": _RSBLUR[:3], "val": _RSBLUR[3:4], "test": _RSBLUR[4:]}
        if path.suffix == ".txt":
            ways = listed[path.stem.rpartition("_")[2]]
            path.write_text("".join(f"{_rsblur_line(way)}\n" for way in ways))
        else:
            path.write_bytes(picture(path.suffix))
    return folder


def plant_tree(folder: Path, tree: str) -> Path:
    """Make the tiny copy `tree` of TREES."""
    return plant(folder, TREES[tree][1])


@functools.cache
def picture(suffix: str, height: int = 16, width: int = 24) -> bytes:
    """A small noisy picture, which cannot be cut short unnoticed."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, _FORMATS[suffix.lower()])
    return file.getvalue()


def _rsblur_line(way: str) -> str:
    return f"RSBlur/{way}/gt/gt_sharp.png RSBlur/{way}/real_blur/real_blur.png"

"""What is asked of libvips: no cache, no threads that a fork would lose, words for failures."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips

from ccnet.images import libvips
from ccnet.images.formats import FORMATS

from .made import by_pillow, by_tifffile, png_by_hand, png_chunk, profile, scene

FORKS = """
import os, sys
from ccnet.images import encode_picture, read_picture, to_srgb, with_srgb_change

def work(name):
    picture = read_picture(open(f"{sys.argv[1]}/{name}", "rb").read())
    before = to_srgb(picture)
    with_srgb_change(picture, before, before)
    return picture

def forked(work, *arguments):
    child = os.fork()
    if not child:
        try:
            work(*arguments)
        except RuntimeError as error:
            os._exit(2 if "spawn" in str(error) else 3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

threadless = ["jpeg", "png", "tiff", "avif", "cmyk.tiff"]
for name in threadless:
    work(name)
print(*[forked(work, name) for name in [*threadless, "webp"]])
print(forked(lambda: encode_picture(work("png"))))
work("webp")
print(*[forked(work, name) for name in [*threadless, "webp"]])
print(forked(lambda: encode_picture(work("png"))))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_forked_processes_read_and_never_wait_forever(tmp_path: Path) -> None:
    for name in FORMATS:
        (tmp_path / name).write_bytes(by_pillow(scene(300, 200, 3), name))
    ink = by_tifffile(scene(300, 200, 4), photometric="separated")
    (tmp_path / "cmyk.tiff").write_bytes(ink)
    command = [sys.executable, "-W", "ignore", "-c", FORKS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.split("\n") == ["0 0 0 0 0 0", "0", "0 0 0 0 0 2", "2", ""]


def test_messages_of_any_bytes_stay_off_standard_error(tmp_path: Path) -> None:
    outside = bytearray(profile("p3"))
    outside[136:140] = b"\xff" * 4  # where its first tag is
    broken = png_chunk(b"iCCP", b"caf\xe9\0\0" + zlib.compress(outside))
    (tmp_path / "a.png").write_bytes(png_by_hand(scene(9, 9, 3), broken))
    square = by_pillow(scene(9, 9, 3), "AVIF")
    tall = square.replace(struct.pack(">III", 0, 9, 9), struct.pack(">III", 0, 9, 1 << 29))
    (tmp_path / "b.avif").write_bytes(tall)
    program = (
        "import sys; from ccnet.images import read_picture\n"
        "for name in 'a.png', 'b.avif':\n"
        "    try: print(read_picture(f'{sys.argv[1]}/{name}').pixels.shape)\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("(9, 9, 3)\nPictureError\n", "")


def test_importing_pictures_is_light_and_turns_the_cache_off() -> None:
    program = (
        "import sys, ccnet.images, pyvips; "
        "print(pyvips.cache_get_max(), {'PIL', 'torch', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "0 set()\n"


@pytest.mark.parametrize("size", [(1, 1), (3000, 7), (7, 3000), (40, 100_000), (70_000, 30)])
def test_rows_cover_a_picture_once_in_order(size: tuple[int, int]) -> None:
    seen = [row for rows in libvips.rows_of(*size) for row in range(rows.start, rows.stop)]
    assert seen == list(range(size[0]))


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("VipsJpeg: premature end of JPEG image\n", " (premature end of JPEG image)"),
        (
            "source: bad seek to 1024\nheif: Corrupt frame (2.0)\nsource: bad seek to 3\n",
            " (Corrupt frame)",
        ),
        ("no domain here: none", " (no domain here: none)"),
        ("\n", ""),
        ("heif: (6.1000)\n", ""),
        ("x: " + "y" * 500, f" ({'y' * 160})"),
    ],
)
def test_reasons_are_one_short_line(detail: str, words: str) -> None:
    error = pyvips.Error("failed")
    error.detail = detail
    assert libvips.reason(error) == words


def test_computes_and_decodes_strip_by_strip() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5000, 300, 3), np.uint8)
    image = libvips.image_of(pixels, "rgb")
    assert np.array_equal(libvips.pixels_of(image), pixels)
    assert np.array_equal(libvips.pixels_of(image * 2), pixels * np.float32(2))
    assert len(list(libvips.strips(image))) > 1

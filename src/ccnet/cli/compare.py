"""`ccnet compare`: two pictures, or two folders of them, and how far they are apart."""

from __future__ import annotations

import math
import os
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from ccnet.cli.lines import one_line
from ccnet.errors import CCNetError, PictureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A picture, or a folder of them.")],
    b: Annotated[
        str, typer.Argument(metavar="B", help="Another; files of folders are matched by name.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A picture to write, or a folder of PNGs for folders: A and B side by side.",
        ),
    ] = None,
    difference: Annotated[
        bool, typer.Option("--difference", help="Write by how much they differ instead, times 4.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
) -> None:
    """Compare pictures: ccnet compare hazy.jpg clear.jpg -o both.png.

    Prints PSNR and SSIM for each pair, in sRGB. Exits with 1 if some files could not be compared.
    """
    if difference and output is None:
        raise UsageError("--difference is a picture; name it with -o.")
    for path in (a, b):
        if not os.path.lexists(path):
            raise PictureError(f"{path} is not there.")
    # Path's own fails for what cannot be looked at.
    folders, others = map(os.path.isdir, (a, b))
    if folders != others:
        raise UsageError(f"{a} and {b} must be two files or two folders.")
    if not folders:
        place = None if output is None else Path(output)
        typer.echo(_told(*_compare(Path(a), Path(b), place, difference, overwrite)))
        return
    measured: list[tuple[float, float | None]] = []
    failed = 0
    taken: set[Path] = set()
    for name, first, second in _pairs(Path(a), Path(b)):
        try:
            if first is None or second is None:
                raise PictureError(f"{first or second} has no partner in {b if first else a}.")
            place = None if output is None else _place(Path(output), name, taken)
            pair = _compare(first, second, place, difference, overwrite)
        except CCNetError as error:
            failed += 1
            typer.echo(os.fsencode(f"ccnet: {one_line(str(error))}"), err=True)
        else:
            measured.append(pair)
            typer.echo(os.fsencode(f"{one_line(os.fspath(name))}: {_told(*pair)}"))
    if measured:
        differing = [pair for pair in measured if pair[0] < math.inf]
        ssims = [ssim for _, ssim in differing if ssim is not None]
        if differing:
            mean = _told(fmean(psnr for psnr, _ in differing), fmean(ssims) if ssims else None)
            typer.echo(f"mean of {len(differing)} that differ: {mean}")
        if equal := len(measured) - len(differing):
            typer.echo(f"{equal} equal")
    elif not failed:
        raise PictureError(f"{a} and {b} hold no pictures.")
    if failed:
        raise typer.Exit(1)


def _compare(
    first: Path, second: Path, place: Path | None, differ: bool, overwrite: bool
) -> tuple[float, float | None]:
    """Measure two files and write their comparison, if a place is named for it."""
    from ccnet.images import read_picture, write_picture
    from ccnet.restoration.comparing import difference, psnr, side_by_side, ssim
    from ccnet.restoration.results import make_folder

    before, after = read_picture(first), read_picture(second)
    try:
        measured = psnr(before, after), ssim(before, after)
    except PictureError as error:
        raise PictureError(f"{first} and {second}: {error}") from error
    if place is not None:
        drawn = difference(before, after) if differ else side_by_side(before, after)
        make_folder(place.parent)
        write_picture(drawn, place, overwrite=overwrite)
    return measured


def _pairs(a: Path, b: Path) -> Iterator[tuple[Path, Path | None, Path | None]]:
    """Match the pictures of two folders by their names in them; suffixes may differ.

    Comparisons that `ccnet restore` wrote beside its results are left out.
    """
    from ccnet.runs.folders import COMPARISON, find_pictures

    def pictures(folder: Path) -> list[Path]:
        found = find_pictures(folder)
        names = {name for path in found for name in (path, path.with_suffix(""))}
        compared = {name.with_name(name.name + COMPARISON) for name in names}
        return [path for path in found if path.with_suffix("") not in compared]

    firsts, seconds = pictures(a), pictures(b)
    partners = {first: first for first in set(firsts) & set(seconds)}
    left = [second for second in seconds if second not in partners]
    for first in firsts:
        if first not in partners:
            stem = first.with_suffix("")
            near = next((second for second in left if second.with_suffix("") == stem), None)
            if near is not None:
                left.remove(near)
                partners[first] = near
        yield first, a / first, b / partners[first] if first in partners else None
    for second in left:
        yield second, None, b / second


def _place(folder: Path, name: Path, taken: set[Path]) -> Path:
    """Give the place of a pair's picture, NAME.png or where that is taken NAME.SUFFIX.png."""
    place = folder / name.with_suffix(".png")
    if place in taken:
        place = folder / name.with_name(f"{name.name}.png")
    taken.add(place)
    return place


def _told(psnr: float, ssim: float | None) -> str:
    return f"{psnr:.2f} dB" + ("" if ssim is None else f", SSIM {ssim:.4f}")

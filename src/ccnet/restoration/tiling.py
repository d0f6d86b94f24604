"""Pictures too large for memory, in overlapping tiles that share the whole picture's averages.

CCNet looks at averages over the whole picture, and a tile that took its own would come out in
another tone than its neighbours. So they are measured first, over all tiles, and then given to each
of them (pinned). `benchmarks/tiling.py` tells how far that is from the whole picture at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import Literal, TypeAlias

import numpy as np

from ccnet.errors import UsageError
from ccnet.restoration.engines.averages import measured_share
from ccnet.restoration.engines.engine import Averages, Engine, Floats, MemoryRanOut, Pixels
from ccnet.restoration.grid import SMALLEST_SIDE, Span, fades, spans

TileSize: TypeAlias = "int | Literal['auto', 'off']"
Progress: TypeAlias = Callable[[float], object]
"""Told the share of a picture that is done, in (0, 1]."""

_LEAST = 124  # the network pads what is smaller

_SMALLER = 2.3
"""Tiles are so much smaller than what is taken whole. A picture whole takes half of the time, so it
is worth much memory; one in tiles is large, and needs memory for itself."""


_ROWS_AT_ONCE = 128
"""Whoever takes rows makes several copies of them."""


def checked_tile(tile: str | int) -> TileSize:
    """Give "auto", "off" or a number of pixels, also one in a string; raises UsageError."""
    if tile == "auto":
        return "auto"
    if tile == "off":
        return "off"
    text = str(tile)
    # Python refuses to read thousands of digits.
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if number < SMALLEST_SIDE:
        raise UsageError(
            f"tile={text:.100} must be auto, off or a number of pixels from {SMALLEST_SIDE} up."
        )
    return number


def restore_bands(
    picture: Pixels,
    engine: Engine,
    tile: TileSize = "auto",
    progress: Progress | None = None,
) -> Iterator[tuple[slice, Floats]]:
    """Restore a picture, in tiles if it is larger than `tile` allows, from top to bottom.

    So neither the picture nor its restoration need ever be there as floats as a whole.

    Args:
        picture: (H, W, 3) in [0, 1].
        engine: What runs the network.
        tile: "auto" takes a picture whole where `engine.most_pixels` hold it, and otherwise tiles
            that are smaller, and halves these where memory runs out nevertheless; "off" takes it
            whole; a number is the most pixels of a tile across and down.
        progress: Called after each tile, or the several that a GPU takes at once; begins anew with
            smaller ones.

    Yields:
        Rows and what they become, (rows, W, 3) in [0, 1], which is the taker's to change. Where
        tiles had to be halved, it begins again with the first row.

    Raises:
        MemoryRanOut: There is too little memory, for the smallest tiles where they may be halved.
        WeightsError: The network gives numbers that are not finite.
    """
    height, width, _ = picture.shape
    side = _largest_side(height, width, engine, tile)
    while True:
        try:
            yield from _bands(picture, engine, side, progress)
        except MemoryRanOut:
            side = max(height, width) if side is None else side
            if tile != "auto" or side <= SMALLEST_SIDE:
                raise
            side = max(SMALLEST_SIDE, side // 2)
        else:
            return


def _bands(
    picture: Pixels, engine: Engine, side: int | None, progress: Progress | None
) -> Iterator[tuple[slice, Floats]]:
    height, width, _ = picture.shape
    if side is None:
        restored = engine.restore(picture[:height, :width][None])[0]
        if progress:
            progress(1.0)
        yield slice(0, height), restored
        return
    work = measured_share(height, width)
    first = work / (1 + work)
    measuring = (lambda share: progress(share * first)) if progress else None
    blending = (lambda share: progress(first + share * (1 - first))) if progress else None
    averages = engine.measure(picture, side, measuring)
    yield from blend_bands(picture, engine, side, averages, blending)


def blend_bands(
    picture: Pixels,
    engine: Engine,
    side: int,
    averages: Averages | None,
    progress: Progress | None = None,
) -> Iterator[tuple[slice, Floats]]:
    """Restore (H, W, 3) in tiles of at most `side` pixels, with `averages` pinned or their own.

    Yields rows as `restore_bands` does, when no tile adds to them any more.
    """
    height, width, _ = picture.shape
    all_rows, all_columns = spans(height, side), spans(width, side)
    row_weights, column_weights = fades(all_rows), fades(all_columns)
    ends = [*(rows.start for rows in all_rows[1:]), height]
    held = np.empty((0, width, 3), np.float32)
    for number, (rows, end) in enumerate(zip(all_rows, ends, strict=True)):
        band = np.zeros((rows.stop - rows.start, width, 3), np.float32)
        band[: len(held)] = held
        done = 0
        for group in _batches(all_columns, len(band), engine):
            places = [np.s_[rows.start : rows.stop, span.start : span.stop] for span in group]
            batch = np.stack([picture[place] for place in places])
            for tile, (_, columns) in zip(_restored(batch, engine, averages), places, strict=True):
                tile *= (row_weights[number][:, None] * column_weights[done])[:, :, None]
                band[:, columns] += tile
                done += 1
            if progress:
                progress((number + done / len(all_columns)) / len(all_rows))
        for top in range(rows.start, end, _ROWS_AT_ONCE):
            bottom = min(top + _ROWS_AT_ONCE, end)
            piece = band[top - rows.start : bottom - rows.start]
            np.clip(piece, 0, 1, out=piece)  # for weights add up to 1 only as far as they round
            yield slice(top, bottom), piece
        held = band[end - rows.start :]


def _restored(batch: Floats, engine: Engine, averages: Averages | None) -> list[Floats]:
    """Restore tiles at once, or each alone where memory does not hold them together."""
    if len(batch) > 1:
        with suppress(MemoryRanOut):
            return list(engine.restore(batch, averages))
    return [engine.restore(tile[None], averages)[0] for tile in batch]


def _batches(columns: list[Span], height: int, engine: Engine) -> Iterator[list[Span]]:
    """Part a row's tiles into those that one call restores: of one width, as many as are best."""
    for width, spans_alike in groupby(columns, lambda span: span.stop - span.start):
        most = max(1, min(engine.together, engine.most_pixels // (height * width)))
        alike = list(spans_alike)
        yield from (alike[first : first + most] for first in range(0, len(alike), most))


def _largest_side(height: int, width: int, engine: Engine, tile: TileSize) -> int | None:
    """The most pixels that a tile may have across and down, or None to take the picture whole."""
    if tile == "off":
        return None
    if tile == "auto":
        if max(height, _LEAST) * max(width, _LEAST) <= engine.most_pixels:
            return None
        return max(SMALLEST_SIDE, math.isqrt(int(engine.most_pixels / _SMALLER)))
    return None if max(height, width) <= tile else tile

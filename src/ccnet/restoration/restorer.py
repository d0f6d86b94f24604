"""A model applied to pictures: arrays, files, and Pillow's images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from ccnet.errors import PictureError, UsageError
from ccnet.images import Picture, read_picture, to_srgb, with_srgb_change, write_picture
from ccnet.images.colour import as_srgb
from ccnet.images.writing import check_target
from ccnet.placing import taken
from ccnet.restoration import pillow
from ccnet.restoration.arrays import Cuts, Scalar, check_array, rgb_of, with_rgb
from ccnet.restoration.engines.engine import Engine, Floats, MemoryRanOut
from ccnet.restoration.engines.ensemble import Ensemble
from ccnet.restoration.loading import TURNS, load_engine
from ccnet.restoration.results import check_folder, make_folder, result_format
from ccnet.restoration.tiling import Progress, TileSize, checked_tile, restore_bands

if TYPE_CHECKING:
    from PIL.Image import Image

    from ccnet.network import CCNet


class Restorer:
    """Restores pictures of any size and kind with one model, loaded once.

    A call takes one picture and gives back the same kind, of the same height, width and depth:

    - an array (H, W), (H, W, 1) or (H, W, 3), with alpha also (H, W, 2) or (H, W, 4), of uint8,
      uint16, or float32 or float64 in [0, 1], whose colours are taken as sRGB. Alpha is kept as it
      is, and a gray picture stays gray;
    - a Pillow image of mode L, LA, RGB, RGBA, CMYK or I;16, in the colours of its ICC profile;
    - a path, which gives an sRGB array (H, W, 3), or (H, W, 4) where there is alpha.

    No picture leaves a trace in the next one's, so several threads may share one restorer.

    Args:
        model: A task ("dehaze", "deblur" or "desnow"), a model's name, a file of weights or an
            ONNX file of `ccnet export --averages`, or a `CCNet`, which is copied.
        engine: "auto" (torch on a GPU, and on a CPU the fastest there is), "openvino",
            "onnxruntime", or "torch", which alone runs files of weights and a `CCNet`.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto" (the engine's: bfloat16 for OpenVINO where the CPU has it, float16 on
            CUDA, else float32), "float32", "bfloat16" or "float16".
        tile: "auto" cuts a picture that is too large for memory into tiles, "off" never does, and a
            number is the most pixels that a tile may have across and down, from 512 up.
        strength: From 0, which changes nothing, to 1, the network's full result.
        ensemble: Whether to take the mean with what becomes of the mirror image, in twice the time.

    Raises:
        UsageError: An argument has none of these values, or the device is not there.
        MissingExtraError: The engine is not installed, or torch, where only that will do.
        WeightsError: There is no such model, or its file is broken.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | CCNet,
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        tile: str | int = "auto",
        strength: float = 1.0,
        ensemble: bool = False,
    ) -> None:
        self.tile: TileSize = checked_tile(tile)
        self.strength = checked_strength(strength)

        self._loaded = load_engine(model, engine=engine, device=device, precision=precision)
        self._engine: Engine = Ensemble(self._loaded) if ensemble else self._loaded

    @property
    def engine(self) -> str:
        """What runs the model, such as "OpenVINO in bfloat16 on cpu"."""
        return self._engine.description

    @overload
    def __call__(
        self, picture: NDArray[Scalar], *, progress: Progress | None = None
    ) -> NDArray[Scalar]: ...

    @overload
    def __call__(
        self, picture: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> NDArray[Any]: ...

    @overload
    def __call__(self, picture: Image, *, progress: Progress | None = None) -> Image: ...

    def __call__(
        self,
        picture: NDArray[Any] | str | os.PathLike[str] | Image,
        *,
        progress: Progress | None = None,
    ) -> NDArray[Any] | Image:
        """Restore one picture.

        Args:
            picture: As the class tells.
            progress: Called with the share done, in (0, 1], after each tile.

        Raises:
            PictureError: The file cannot be read.
            UsageError: The array or image is of a kind that is not restored.
        """
        if isinstance(picture, (str, os.PathLike)):
            return self._restore_array(read_array(picture), progress)
        if isinstance(picture, np.ndarray):
            return self._restore_array(picture, progress)
        if pillow.is_image(picture):
            restored = self.restore_picture(pillow.to_picture(picture), progress=progress)
            return pillow.from_picture(restored, picture)
        raise no_picture(picture)

    def restore_picture(self, picture: Picture, *, progress: Progress | None = None) -> Picture:
        """Restore a decoded file, in its own colours and with everything else kept."""
        if self.strength == 0:
            return picture

        def cut(rows: slice, columns: slice) -> Floats:
            return to_srgb(picture.cut(rows, columns))

        pixels = np.empty_like(picture.pixels)
        height, width, _ = pixels.shape
        for rows, before, after in self._restored(Cuts(cut, height, width), progress):
            pixels[rows] = with_srgb_change(picture.cut(rows), before, after).pixels
        return replace(picture, pixels=pixels)

    def restore_pictures(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Restore decoded files of one size together, to what `restore_picture` gives of each."""
        if self.strength == 0:
            return list(pictures)
        before = [to_srgb(picture) for picture in pictures]
        after = self.restore_batch(before)
        return list(map(with_srgb_change, pictures, before, after))

    def batch_size(self, height: int, width: int) -> int:
        """Give how many pictures of one size are best given to `restore_batch` at once."""
        tiled = isinstance(self.tile, int) and max(height, width) > self.tile
        fitting = self._engine.most_pixels // (height * width)
        return 1 if tiled else max(1, min(fitting, self._engine.together))

    def restore_batch(self, pictures: Sequence[Floats]) -> list[Floats]:
        """Restore pictures of one size, float32 (H, W, 3) in [0, 1], to new ones.

        Where memory runs out, half of them at once.
        """
        if len(pictures) <= 1:
            return [self(picture) for picture in pictures]
        with suppress(MemoryRanOut):
            batch = np.stack(pictures)
            change = self._engine.restore(batch) - batch
            return list(batch + np.float32(self.strength) * change)
        half = len(pictures) // 2
        return [*self.restore_batch(pictures[:half]), *self.restore_batch(pictures[half:])]

    def release_memory(self) -> None:
        """Free what is kept of one picture for the next, up to 2 GiB on a CPU."""
        self._engine.release_memory()

    def take_turn(self) -> None:
        """Free what other models keep that took a turn before, so that it never adds up."""
        TURNS.take(self._loaded)

    def restore_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002
        quality: int | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Restore a file into another, with its metadata; folders on the way are made.

        Args:
            source: A JPEG, PNG, WebP, TIFF or AVIF file.
            target: Where to. It is written whole or not at all.
            format: Such as "png"; if None, the source's where the target has the same suffix or
                none, else that of the target's suffix.
            quality: As for `ccnet.images.write_picture`.
            overwrite: Whether to replace a target that is there, which may be the source.
            progress: As for a call.

        Raises:
            PictureError: The source cannot be read or the target not be written, which names it.
            UsageError: No such format or quality.
        """
        source, target = Path(source), Path(target)
        if not overwrite and os.path.lexists(target):
            raise PictureError(taken(target))
        check_folder(target)
        picture = read_picture(source)
        format = result_format(picture, source, target, format)  # noqa: A001
        check_target(picture, target, format=format, quality=quality)
        picture = self.restore_picture(picture, progress=progress)
        make_folder(target.parent)
        write_picture(picture, target, format=format, quality=quality, overwrite=overwrite)

    def _restore_array(self, array: NDArray[Scalar], progress: Progress | None) -> NDArray[Scalar]:
        check_array(array)
        restored: NDArray[Scalar] = array.copy()
        if self.strength == 0:
            return restored
        height, width = array.shape[:2]
        cuts = Cuts(lambda rows, columns: rgb_of(array[rows, columns]), height, width)
        for rows, _, after in self._restored(cuts, progress):
            restored[rows] = with_rgb(array[rows], after)
        return restored

    def _restored(
        self, picture: Cuts, progress: Progress | None
    ) -> Iterator[tuple[slice, Floats, Floats]]:
        """Restore as far as `strength` says: rows, what they were and what they become."""
        for rows, after in restore_bands(picture, self._engine, self.tile, progress):
            before = picture[rows, :]
            if self.strength < 1:
                after -= before
                after *= np.float32(self.strength)
                after += before
            yield rows, before, after


def checked_strength(strength: float) -> float:
    """Give a strength from 0 to 1; raises UsageError for another."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength={strength} must be from 0 to 1.")
    return strength


def no_picture(value: object) -> UsageError:
    """Say what a restorer takes instead of some value."""
    return UsageError(
        f"A {type(value).__name__} is no picture: give an array, a path or a Pillow image."
    )


def read_array(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read a file as an sRGB array (H, W, 3), or (H, W, 4) with alpha, of its own depth."""
    picture = read_picture(path)
    if picture.space != "rgb" or picture.icc_profile:
        picture = as_srgb(picture)
    if picture.alpha is None:
        return picture.pixels
    return np.dstack((picture.pixels, picture.alpha))

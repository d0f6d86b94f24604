"""One picture restored in one call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ccnet.restoration.automatic import make_restorer
from ccnet.restoration.restorer import Restorer

if TYPE_CHECKING:
    from PIL.Image import Image

    from ccnet.network import CCNet


def restore(
    picture: NDArray[Any] | str | os.PathLike[str] | Image,
    task: str = "auto",
    *,
    model: str | os.PathLike[str] | CCNet | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    tile: str | int = "auto",
    strength: float = 1.0,
    ensemble: bool = False,
    size: str | None = None,
) -> NDArray[Any] | Image:
    """Restore one picture, as `Restorer` does; the three models used last stay loaded.

    Only the last one keeps memory for its next picture, up to 2 GiB on a CPU.

    Args:
        picture: An array, a path or a Pillow image; see `Restorer`, also for the rest.
        task: What to take away: "dehaze", "deblur" or "desnow"; "auto" recognises it, and gives a
            clear picture back as it is.
        model: A model's name, a file of weights or a network; by default the task's own model.
        engine: What runs the model.
        device: Where to compute.
        precision: What in.
        tile: The size of tiles.
        strength: How much of the restoration to take, from 0 to 1.
        ensemble: Whether to restore the mirror image, too, and take the mean.
        size: "small" or "large", which of a task's models; its default when left out.

    Returns:
        The same kind, height, width and depth; an array for a path.
    """
    chosen = None if task == "auto" else task
    restorer = make_restorer(
        chosen if model is None else model,
        engine=engine,
        device=device,
        precision=precision,
        tile=tile,
        strength=strength,
        ensemble=ensemble,
        size=size,
    )
    if isinstance(restorer, Restorer):  # the other kind does it when it knows what it needs
        restorer.take_turn()
    return restorer(picture)

"""`ccnet degrade`: put haze, motion blur or snow into a clean picture."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Kind(str, Enum):
    """What can be put into a picture."""

    haze = "haze"
    blur = "blur"
    snow = "snow"


def degrade(
    picture: Annotated[
        Path, typer.Argument(metavar="INPUT", readable=False, help="A clean picture.")
    ],
    kind: Annotated[Kind, typer.Option(help="What to put into it.")],
    strength: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="From 0, nothing, to 1, most; random when left out."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Makes the same again; random when left out."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", readable=False, help="INPUT's name with -KIND when left out."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT.")] = False,
) -> None:
    """Degrade a clean picture, as the pairs are made that networks are trained on."""
    from ccnet.errors import PictureError
    from ccnet.extras import require
    from ccnet.images import read_picture, to_srgb, with_srgb_change, write_picture
    from ccnet.images.writing import check_target
    from ccnet.placing import taken
    from ccnet.restoration.results import check_folder, make_folder

    require("torch", "Degrading")
    # What has no name, as . and /, is a folder, of which reading tells.
    target = output or picture.parent / f"{picture.stem}-{kind.value}{picture.suffix}"
    if not overwrite and os.path.lexists(target):
        raise PictureError(taken(target))
    check_folder(target)
    source = read_picture(picture)
    check_target(source, target)

    import torch

    from ccnet.degradation import DEGRADATIONS

    clean = to_srgb(source)
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    batch = torch.from_numpy(clean).permute(2, 0, 1)[None]
    degraded = DEGRADATIONS[kind.value](batch, generator, strength)[0].permute(1, 2, 0).numpy()
    make_folder(target.parent)
    write_picture(with_srgb_change(source, clean, degraded), target, overwrite=overwrite)
    typer.echo(os.fsencode(target))

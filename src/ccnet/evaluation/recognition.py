"""How often the recogniser is right: python -m ccnet.evaluation.recognition FOLDER."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer

from ccnet.datasets.photographs import list_photographs, photographs_to_measure
from ccnet.degradation.blur import cut_margin
from ccnet.degradation.camera import compress_jpeg
from ccnet.errors import CCNetError, PictureError
from ccnet.evaluation.conditions import degraded, read_framed
from ccnet.evaluation.markdown import table
from ccnet.images import Picture, read_picture
from ccnet.recognition import CLEAR, KINDS, TASKS
from ccnet.recognition.kinds import QUALITIES, STRENGTHS
from ccnet.recognition.recogniser import WEIGHTS, Recogniser, likeliest
from ccnet.recognition.views import picture_of, views_of_picture

SIZE = 512
"""Long side in pixels that photographs are reduced to before they are degraded."""

Counts = dict[str, Counter[str]]
"""How many pictures of each row were taken for which kind."""


def measure(
    folder: Annotated[
        Path, typer.Argument(help="Pictures, and with --made VAL.txt if only some count.")
    ],
    made: Annotated[
        bool, typer.Option("--made", help="Put haze, blur and snow into clear photographs.")
    ] = False,
    names: Annotated[bool, typer.Option("--names", help="Tell each picture's kind, too.")] = False,
    recogniser: Annotated[Path, typer.Option(help="A file of weights.")] = WEIGHTS,
) -> None:
    """Tell what the recogniser takes the pictures of a folder for, as they are or degraded."""
    known = Recogniser.read(recogniser)
    counts: Counts = {}
    pictures = degraded_pictures(folder) if made else pictures_as_they_are(folder)
    for row, name, picture in pictures:
        probabilities = known.probabilities(views_of_picture(picture))
        kind = likeliest(probabilities)
        counts.setdefault(row, Counter())[kind] += 1
        if names:
            shown = " ".join(f"{probabilities[kind]:.2f}" for kind in KINDS)
            typer.echo(f"{row}\t{name}\t{kind}\t{shown}")
    typer.echo(confusion(counts))
    if made and counts:
        right = sum(found[row.partition(" ")[0]] for row, found in counts.items())
        typer.echo(f"{right / sum(found.total() for found in counts.values()):.1%} right")


def pictures_as_they_are(folder: Path) -> Iterator[tuple[str, str, Picture]]:
    """Read the pictures of `folder` that can be read: its name, theirs, and they."""
    for path in list_photographs(folder):
        try:
            yield folder.resolve().name, path.name, read_picture(path)
        except PictureError as error:
            typer.echo(f"{error}", err=True)


def degraded_pictures(folder: Path) -> Iterator[tuple[str, str, Picture]]:
    """Degrade each photograph that can be used with each kind and strength, always the same.

    Clear ones count as often as the others: as they are, and as JPEGs of two qualities.
    """
    for path in photographs_to_measure(folder):
        try:
            framed = read_framed(path, SIZE)
        except PictureError as error:
            typer.echo(f"{error}", err=True)
            continue
        clean = cut_margin(framed)
        yield CLEAR, path.name, picture_of(clean.numpy())
        for quality in QUALITIES:
            compressed = compress_jpeg(clean[None], torch.full((1, 1, 1, 1), float(quality)))[0]
            yield f"{CLEAR} JPEG {quality}", path.name, picture_of(compressed.numpy())
        for kind in TASKS:
            for strength in STRENGTHS:
                made = degraded(framed, path.name, kind, strength)
                yield f"{kind} {strength}", path.name, picture_of(made.numpy())


def confusion(counts: Counts) -> str:
    """Draw a table with a row for each of `counts` and a column for each kind."""
    rows = [
        [row, *(str(found[kind]) for kind in KINDS)]
        for row, found in sorted(counts.items(), key=lambda item: _place(item[0]))
    ]
    return table(("picture", *KINDS), rows, left=1)


def _place(row: str) -> tuple[int, str]:
    kind = row.partition(" ")[0]
    return (KINDS.index(kind) if kind in KINDS else 0, row)


if __name__ == "__main__":
    try:
        typer.run(measure)
    except CCNetError as error:
        raise SystemExit(f"ccnet: {error}") from None

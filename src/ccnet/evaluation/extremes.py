"""The worst and the best pictures of an evaluation on one sheet, to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import pyvips

from ccnet.evaluation.contact_sheet import Pixels, Row, draw_sheet, reduced

EACH = 3
"""How many of the worst, and of the best, are shown."""

COLUMNS = ("input", "restored", "target")


@dataclass(frozen=True)
class Shown:
    """A picture (input, restored, target) kept small, each a pyvips image of 8-bit sRGB."""

    name: str
    psnr: float
    images: tuple[pyvips.Image, ...]


class Extremes:
    """Keeps the worst and the best of the pictures offered, reduced, and no others."""

    def __init__(self) -> None:
        self._worst: list[Shown] = []
        self._best: list[Shown] = []

    def offer(self, name: str, psnr: float, pictures: tuple[Pixels, Pixels, Pixels]) -> None:
        """Offer input, restored and target, (H, W, 3) in [0, 1] each; `psnr` is the restored's."""
        worst = len(self._worst) < EACH or psnr < self._worst[-1].psnr
        best = len(self._best) < EACH or psnr > self._best[0].psnr
        if worst or best:
            shown = Shown(name, psnr, tuple(reduced(picture) for picture in pictures))
            if worst:
                self._worst = sorted((*self._worst, shown), key=_psnr)[:EACH]
            if best:
                self._best = sorted((*self._best, shown), key=_psnr)[-EACH:]

    @property
    def shown(self) -> list[Shown]:
        """What is kept, from the worst to the best, each once."""
        kept = {shown.name: shown for shown in (*self._worst, *self._best)}
        return sorted(kept.values(), key=_psnr)

    def sheet(self) -> bytes:
        """Draw a PNG: a row for each picture under its name and PSNR. Needs one to be kept."""
        rows = [Row((f"{shown.name}   {shown.psnr:.2f} dB",), shown.images) for shown in self.shown]
        return draw_sheet(COLUMNS, rows)


def _psnr(shown: Shown) -> float:
    return shown.psnr

"""Named ways of measuring, so that a number can be compared with those of others.

PSNR is taken of each picture and then averaged over pictures, never of all pixels together.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ccnet.errors import UsageError
from ccnet.evaluation import metrics


@dataclass(frozen=True)
class Protocol:
    """A way of measuring a picture against its target.

    Attributes:
        name: What it is called on the command line.
        description: What it computes and where that comes from, in a sentence.
        prepare: What is done to both pictures first: (3, H, W) in [0, 1] to (C, H, W).
        ssim: SSIM of the prepared pictures, or None where they are too small for it.
    """

    name: str
    description: str
    prepare: Callable[[Tensor], Tensor]
    ssim: Callable[[Tensor, Tensor], float | None]

    def score(self, picture: Tensor, target: Tensor) -> tuple[float, float | None]:
        """Give PSNR in dB and SSIM of float32 (3, H, W) in [0, 1] on the CPU."""
        prepared = self.prepare(picture), self.prepare(target)
        return metrics.psnr(*prepared), self.ssim(*prepared)

    def psnr(self, picture: Tensor, target: Tensor) -> float:
        """Give PSNR in dB alone."""
        return metrics.psnr(self.prepare(picture), self.prepare(target))


def _unchanged(picture: Tensor) -> Tensor:
    return picture


def _reduced_ssim(picture: Tensor, target: Tensor) -> float | None:
    return metrics.gaussian_ssim(metrics.reduce_to_256(picture), metrics.reduce_to_256(target))


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "published",
            "As CCNet's published evaluation of dehazing and desnowing: PSNR of the unrounded RGB "
            "picture; Gaussian SSIM of pictures average-pooled to a short side of about 256.",
            _unchanged,
            _reduced_ssim,
        ),
        Protocol(
            "rgb",
            "scikit-image's peak_signal_noise_ratio and structural_similarity (7x7 uniform window) "
            "of the unrounded RGB picture at full size.",
            _unchanged,
            metrics.uniform_ssim,
        ),
        Protocol(
            "y",
            "PSNR and Gaussian SSIM (Wang et al. 2004) of BT.601's luma as MATLAB's rgb2ycbcr "
            "gives it, from 16 to 235 with a peak of 255, unrounded, at full size.",
            metrics.luma,
            metrics.gaussian_ssim,
        ),
        Protocol(
            "quantised",
            "scikit-image's peak_signal_noise_ratio and structural_similarity (7x7 uniform window) "
            "of the RGB picture rounded to 8 bits, as a saved file has it, at full size.",
            metrics.quantise,
            metrics.uniform_ssim,
        ),
    )
}


def find_protocols(names: Sequence[str] = ()) -> list[Protocol]:
    """Find protocols by name, each once and in this order; all where none is named.

    Raises UsageError for a name that none has.
    """
    for name in names:
        if name not in PROTOCOLS:
            near = difflib.get_close_matches(name, PROTOCOLS, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UsageError(f"--protocol {name} is none of {', '.join(PROTOCOLS)}{hint}.")
    return [PROTOCOLS[name] for name in dict.fromkeys(names or PROTOCOLS)]

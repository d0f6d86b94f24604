"""Trained networks, and what a picture is taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from ccnet.errors import WeightsError
from ccnet.placing import place_file
from ccnet.recognition.kinds import KINDS
from ccnet.recognition.network import SHAPES, Weights, classify, measure
from ccnet.recognition.views import Views

WEIGHTS = Path(__file__).parent / "recogniser.safetensors"
"""The one that ships; its card is `recogniser.md` beside it."""


class Recogniser:
    """Tells what is wrong with pictures. Keeps nothing between them, so threads may share one.

    Args:
        networks: Their weights in float32, with the names and shapes of `network.SHAPES`. Together
            they are right a little more often than each.
    """

    def __init__(self, networks: Sequence[Weights]) -> None:
        self.networks = [{name: weights[name] for name in SHAPES} for weights in networks]

    @classmethod
    def read(cls, path: Path = WEIGHTS) -> Recogniser:
        """Read what `save` wrote; raises `WeightsError` where the file is none."""
        try:
            with safe_open(path, framework="numpy") as file:
                count = len({name.partition(".")[0] for name in file.keys()})  # noqa: SIM118
                networks = [
                    {name: file.get_tensor(f"{index}.{name}").astype(np.float32) for name in SHAPES}
                    for index in range(count)
                ]
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{path} is damaged or holds no recogniser.") from error
        shapes = [{name: values.shape for name, values in one.items()} for one in networks]
        if not shapes or any(each != SHAPES for each in shapes):
            raise WeightsError(f"{path} holds no recogniser of this version.")
        return cls(networks)

    def save(self, path: Path, *, licence: str, overwrite: bool = False) -> None:
        """Write a .safetensors in half precision; raises `WeightsError` where it cannot be."""
        halves = {
            f"{index}.{name}": values.astype(np.float16)
            for index, weights in enumerate(self.networks)
            for name, values in weights.items()
        }
        data = safetensors.numpy.save(halves, {"licence": licence})
        place_file(data, path, error=WeightsError, overwrite=overwrite)

    def recognise(self, views: Views) -> str:
        """Tell which of `KINDS` a picture is."""
        return likeliest(self.probabilities(views))

    def probabilities(self, views: Views) -> dict[str, float]:
        """Give the networks' probability of each of `KINDS`."""
        probabilities = classify(self.networks, measure(views))
        return dict(zip(KINDS, probabilities.tolist(), strict=True))


def likeliest(probabilities: Mapping[str, float]) -> str:
    """Give the kind of the highest probability."""
    return max(probabilities, key=lambda kind: probabilities[kind])


@lru_cache(maxsize=1)
def shipped_recogniser() -> Recogniser:
    """Load the recogniser that ships, once."""
    return Recogniser.read()

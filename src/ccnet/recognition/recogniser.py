"""A trained network and how sure it must be: what a picture is taken for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from ccnet.errors import WeightsError
from ccnet.placing import place_file
from ccnet.recognition.kinds import CLEAR, KINDS, TASKS
from ccnet.recognition.network import SHAPES, Weights, cells_of, classify
from ccnet.recognition.views import Views

WEIGHTS = Path(__file__).parent / "recogniser.safetensors"
"""The one that ships; its card is `recogniser.md` beside it."""


class Recogniser:
    """Tells what is wrong with pictures. Keeps nothing between them, so threads may share one.

    Args:
        weights: The network's, in float32, with the names and shapes of `network.SHAPES`.
        threshold: How sure the network must be that a picture is not clear, from 0 to 1.
    """

    def __init__(self, weights: Weights, threshold: float) -> None:
        self._weights = {name: weights[name] for name in SHAPES}
        self.threshold = threshold

    @classmethod
    def read(cls, path: Path = WEIGHTS) -> Recogniser:
        """Read what `save` wrote; raises `WeightsError` where the file is none."""
        try:
            with safe_open(path, framework="numpy") as file:
                threshold = float((file.metadata() or {})["threshold"])
                weights = {name: file.get_tensor(name).astype(np.float32) for name in SHAPES}
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise WeightsError(f"{path} is damaged or holds no recogniser.") from error
        if any(weights[name].shape != shape for name, shape in SHAPES.items()):
            raise WeightsError(f"{path} holds no recogniser of this version.")
        return cls(weights, threshold)

    def save(self, path: Path, *, licence: str, overwrite: bool = False) -> None:
        """Write a .safetensors in half precision; raises `WeightsError` where it cannot be."""
        halves = {name: values.astype(np.float16) for name, values in self._weights.items()}
        facts = {"licence": licence, "threshold": str(self.threshold)}
        data = safetensors.numpy.save(halves, facts)
        place_file(data, path, error=WeightsError, overwrite=overwrite)

    def recognise(self, views: Views) -> str:
        """Tell which of `KINDS` a picture is."""
        return self.decide(self.probabilities(views))

    def probabilities(self, views: Views) -> dict[str, float]:
        """Give the network's probability of each of `KINDS`."""
        probabilities = classify(self._weights, *cells_of(views))
        return dict(zip(KINDS, probabilities.tolist(), strict=True))

    def decide(self, probabilities: dict[str, float]) -> str:
        """Take the likeliest degradation, unless the picture may well be clear."""
        if 1 - probabilities[CLEAR] <= self.threshold:
            return CLEAR
        return max(TASKS, key=lambda kind: probabilities[kind])


@lru_cache(maxsize=1)
def shipped_recogniser() -> Recogniser:
    """Load the recogniser that ships, once."""
    return Recogniser.read()

"""A trained network and how sure it must be: what a picture is taken for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from ccnet.errors import WeightsError
from ccnet.placing import place_file
from ccnet.recognition.kinds import CLEAR, KINDS, TASKS
from ccnet.recognition.network import DegradationClassifier
from ccnet.recognition.views import Views

WEIGHTS = Path(__file__).parent / "recogniser.safetensors"
"""The one that ships; its card is `recogniser.md` beside it."""


class Recogniser:
    """Tells what is wrong with pictures. Keeps nothing between them, so threads may share one.

    Args:
        network: The classifier, on the CPU.
        threshold: How sure the network must be that a picture is not clear, from 0 to 1.
    """

    def __init__(self, network: DegradationClassifier, threshold: float) -> None:
        self._network = network.eval()
        self.threshold = threshold

    @classmethod
    def read(cls, path: Path = WEIGHTS) -> Recogniser:
        """Read what `save` wrote; raises `WeightsError` where the file is none."""
        network = DegradationClassifier()
        try:
            with safe_open(path, framework="pt") as file:
                threshold = float((file.metadata() or {})["threshold"])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            network.load_state_dict(state)
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise WeightsError(f"{path} is damaged or holds no recogniser.") from error
        return cls(network, threshold)

    def save(self, path: Path, *, licence: str, overwrite: bool = False) -> None:
        """Write a .safetensors in half precision; raises `WeightsError` where it cannot be."""
        state = {
            name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
            for name, tensor in self._network.state_dict().items()
        }
        facts = {"format": "pt", "licence": licence, "threshold": str(self.threshold)}
        data = safetensors.torch.save(state, facts)
        place_file(data, path, error=WeightsError, overwrite=overwrite)

    def recognise(self, views: Views) -> str:
        """Tell which of `KINDS` a picture is."""
        return self.decide(self.probabilities(views))

    def probabilities(self, views: Views) -> dict[str, float]:
        """Give the network's probability of each of `KINDS`."""
        with torch.inference_mode():
            logits = self._network(views.overview[None], views.details[None])[0]
        return dict(zip(KINDS, logits.softmax(0).tolist(), strict=True))

    def decide(self, probabilities: dict[str, float]) -> str:
        """Take the likeliest degradation, unless the picture may well be clear."""
        if 1 - probabilities[CLEAR] <= self.threshold:
            return CLEAR
        return max(TASKS, key=lambda kind: probabilities[kind])


@lru_cache(maxsize=1)
def shipped_recogniser() -> Recogniser:
    """Load the recogniser that ships, once."""
    return Recogniser.read()

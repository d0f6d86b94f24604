"""The network that tells haze, motion blur and snow from a clear picture, to be trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ccnet.recognition.kinds import KINDS
from ccnet.recognition.network import BRANCHES, SUMMARISED, WIDTH


class Branch(nn.Module):
    """What places (N, C, K) hold altogether, whatever their number: (N, SUMMARIES * width).

    Mean, deviation, and the means of the lowest and of the highest tenth: a sky without contrast
    should not hide what the rest shows, nor one odd cell decide.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(channels),
            nn.Conv1d(channels, width, 1),
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, places: Tensor) -> Tensor:
        features: Tensor = self.layers(places)
        deviation = (features.var(2, correction=0) + 1e-5).sqrt()
        tenth = max(1, features.shape[2] // 10)
        extremes = (features.topk(tenth, 2, largest, sorted=False) for largest in (False, True))
        return torch.cat(
            (features.mean(2), deviation, *(extreme.values.mean(2) for extreme in extremes)), 1
        )


class DegradationClassifier(nn.Module):
    """Looks at a picture as a whole, for haze and snow, and at details, for blur and fine snow."""

    def __init__(self) -> None:
        super().__init__()
        for name, (channels, width) in BRANCHES.items():
            self.add_module(name, Branch(channels, width))
        self.head = nn.Sequential(
            nn.BatchNorm1d(SUMMARISED),
            nn.Dropout(0.4),
            nn.Linear(SUMMARISED, WIDTH),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(WIDTH, len(KINDS)),
        )

    def forward(self, *measured: Tensor) -> Tensor:
        """Give the logits of `KINDS`, (N, 4), for batches (N, C, K) of what is `Measured`."""
        parts = zip(BRANCHES, measured, strict=True)
        summary = torch.cat([self.get_submodule(name)(part) for name, part in parts], 1)
        logits: Tensor = self.head(summary)
        return logits

"""The network that tells haze, motion blur and snow from a clear picture, to be trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ccnet.recognition.cells import CHANNELS
from ccnet.recognition.kinds import KINDS
from ccnet.recognition.network import WIDTH


class Branch(nn.Module):
    """What cells (N, CHANNELS, K) hold altogether, whatever their number: (N, 4 * WIDTH).

    Mean, deviation, and the means of the lowest and of the highest tenth: a sky without contrast
    should not hide what the rest shows, nor one odd cell decide.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(CHANNELS),
            nn.Conv1d(CHANNELS, WIDTH, 1),
            nn.ReLU(),
            nn.Conv1d(WIDTH, WIDTH, 1),
        )

    def forward(self, cells: Tensor) -> Tensor:
        features = self.layers(cells).sort(2).values
        deviation = (features.var(2, correction=0) + 1e-5).sqrt()
        tenth = max(1, features.shape[2] // 10)
        extremes = features[:, :, :tenth].mean(2), features[:, :, -tenth:].mean(2)
        return torch.cat((features.mean(2), deviation, *extremes), 1)


class DegradationClassifier(nn.Module):
    """Looks at a picture as a whole, for haze and snow, and at details, for blur and fine snow."""

    def __init__(self) -> None:
        super().__init__()
        self.overview = Branch()
        self.detail = Branch()
        self.head = nn.Sequential(
            nn.BatchNorm1d(8 * WIDTH),
            nn.Dropout(0.4),
            nn.Linear(8 * WIDTH, WIDTH),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(WIDTH, len(KINDS)),
        )

    def forward(self, overviews: Tensor, details: Tensor) -> Tensor:
        """Give the logits of `KINDS`, (N, 4), for cells (N, CHANNELS, K) of both views.

        `ccnet.recognition.network.cells_of` measures them.
        """
        both = torch.cat((self.overview(overviews), self.detail(details)), 1)
        logits: Tensor = self.head(both)
        return logits

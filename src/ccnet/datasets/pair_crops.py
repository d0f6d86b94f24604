"""Pairs on disk as training and validation batches, decoded by other processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pyvips
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ccnet.datasets.batches import Batch, Share
from ccnet.datasets.pairs import Pair, read_pair
from ccnet.datasets.seeds import SAMPLING, SHUFFLING, seeded_generator
from ccnet.errors import PictureError
from ccnet.machine import processors


class PairCrops(Dataset[Batch | PictureError]):
    """Random crops of pairs: item k is part k of all parts of all steps, of `size` samples each.

    The pairs come in a new order each epoch; each sample is a window of its pair, drawn uniformly
    and mirrored half of the time, as the paper trains; a pair smaller than `crop` is
    reflected. An item is a batch of uint8 (size, 3, crop, crop), or the error of a picture that
    cannot be read: raised in another process it would lose its sentence.
    """

    def __init__(self, pairs: Sequence[Pair], *, size: int, crop: int, seed: int) -> None:
        self.pairs = pairs
        self.size = size
        self.crop = crop
        self.seed = seed
        self._order: tuple[int, list[int]] | None = None

    def __getitem__(self, part: int) -> Batch | PictureError:
        samples = range(part * self.size, (part + 1) * self.size)
        try:
            crops = [self._random_crop(sample) for sample in samples]
        except PictureError as error:
            return error
        degraded, clean = (torch.stack(side) for side in zip(*crops, strict=True))
        return Batch(part, clean, degraded)

    def pair(self, sample: int) -> Pair:
        """The pair of a sample, counted from 0 over all epochs."""
        epoch, place = divmod(sample, len(self.pairs))
        if self._order is None or self._order[0] != epoch:
            generator = seeded_generator(self.seed, stream=SHUFFLING, index=epoch)
            order = torch.randperm(len(self.pairs), generator=generator).tolist()
            self._order = (epoch, order)
        return self.pairs[self._order[1][place]]

    def _random_crop(self, sample: int) -> list[Tensor]:
        pictures = [grown(picture, self.crop) for picture in read_pair(self.pair(sample))]
        generator = seeded_generator(self.seed, stream=SAMPLING, index=sample)
        down, right, mirror = torch.rand(3, generator=generator).tolist()
        height, width = pictures[0].shape[1:]
        top = int(down * (height - self.crop + 1))
        left = int(right * (width - self.crop + 1))
        windows = [p[:, top : top + self.crop, left : left + self.crop] for p in pictures]
        return [window.flip(2) if mirror < 0.5 else window for window in windows]


class PairBatches:
    """Training batches of pairs on disk for `steps` steps, decoded by `workers` processes.

    There are never more of these than processors. Yields this process's parts. As `CropBatches` it
    goes on where its `state_dict` says. Raises `PictureError` where a picture cannot be read,
    before the first of its step's parts is given out: between them no run can be saved.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        steps: int,
        share: Share,
        crop: int,
        seed: int,
        workers: int,
    ) -> None:
        self.crops = PairCrops(pairs, size=share.size, crop=crop, seed=seed)
        self.steps = steps
        self.share = share
        self.workers = min(workers, processors())
        self._position = 0

    def __len__(self) -> int:
        return self.steps * self.share.passes

    def __iter__(self) -> Iterator[Batch]:
        first, last = self.share.part(self._position), self.share.part(len(self))
        loader = DataLoader(
            self.crops,
            batch_size=None,
            sampler=range(first, last, self.share.processes),
            num_workers=self.workers,
            # libvips does not survive a fork.
            multiprocessing_context="spawn" if self.workers else None,
            worker_init_fn=_prepare_worker,
            pin_memory=torch.cuda.is_available(),
        )
        parts = iter(loader)
        while step := list(islice(parts, self.share.passes)):
            for batch in _readable(step):
                self._position += 1
                yield batch

    def names(self, step: int) -> list[str]:
        """The pairs that all processes see at `step`, from 0."""
        samples = range(step * self.share.batch, (step + 1) * self.share.batch)
        return [self.crops.pair(sample).name for sample in samples]

    def state_dict(self) -> dict[str, int]:
        """The number of batches given out."""
        return {"position": self._position}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on after as many batches as `state_dict` says."""
        self._position = state_dict["position"]


def _readable(step: Sequence[Batch | PictureError]) -> list[Batch]:
    """A step's parts, all of them; raises the first one's error where one cannot be read."""
    batches = []
    for part in step:
        if isinstance(part, PictureError):
            raise part
        batches.append(part)
    return batches


class CentrePairs(Dataset[tuple[Tensor, Tensor]]):
    """Centre crops (degraded, clean) of pairs: float32 (3, crop, crop) in [0, 1] both."""

    def __init__(self, pairs: Sequence[Pair], crop: int) -> None:
        self.pairs = pairs
        self.crop = crop

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        degraded, clean = (grown(picture, self.crop) for picture in read_pair(self.pairs[index]))
        top, left = ((side - self.crop) // 2 for side in degraded.shape[1:])
        rows, columns = slice(top, top + self.crop), slice(left, left + self.crop)
        return degraded[:, rows, columns] / 255, clean[:, rows, columns] / 255


def grown(picture: Tensor, side: int) -> Tensor:
    """Reflect (3, H, W) to the right and below until both sides are at least `side`."""
    height, width = picture.shape[1:]
    below, right = max(0, side - height), max(0, side - width)
    if not (below or right):
        return picture
    # NumPy reflects as often as it takes; torch at most once.
    padded = np.pad(picture.numpy(), ((0, 0), (0, below), (0, right)), mode="reflect")
    return torch.from_numpy(padded)


def _prepare_worker(_worker: int) -> None:
    """Leave Ctrl-C, which a terminal sends to all, to the process that trains.

    And keep libvips from starting as many threads in each process as there are processors.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pyvips.concurrency_set(1)

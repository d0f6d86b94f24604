"""What a recipe trains and validates on: photographs to be degraded, or pairs on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from ccnet.datasets.batches import Share
from ccnet.datasets.checking import files_of, picture_problems
from ccnet.datasets.crops import CropBatches
from ccnet.datasets.layouts import find_pairs
from ccnet.datasets.pair_crops import CentrePairs, PairBatches
from ccnet.datasets.pairs import Pair
from ccnet.datasets.photographs import Photographs, split_photographs
from ccnet.datasets.seeds import VALIDATING, seeded_generator
from ccnet.datasets.splits import spread
from ccnet.degradation.blur import MARGIN, add_blur, cut_margin
from ccnet.degradation.haze import add_haze
from ccnet.degradation.mixture import add_any
from ccnet.degradation.snow import add_snow
from ccnet.degradation.variety import Degrade
from ccnet.errors import DatasetError
from ccnet.training.recipe import Recipe

LEARNED: dict[str, Degrade] = {
    "dehaze": add_haze,
    "deblur": add_blur,
    "desnow": add_snow,
    "any": add_any,
}
"""What each task learns to undo on clean photographs."""

MARGINS = {"deblur": MARGIN, "any": MARGIN}
"""Pixels around a crop that the others' light comes from, for tasks that have such."""

QUICKSTART = "ccnet:quickstart"
"""What `photos` says for the few photographs in the package."""

MOST_DRAWS = 20
MOST_PICTURES = 1_000_000
"""More than validate, so that no two photographs share a stream."""

ValidationPairs = Dataset[tuple[Tensor, Tensor]]
"""Pairs (degraded, clean), float32 (3, H, W) in [0, 1] of one size."""


@dataclass(frozen=True)
class CleanPictures:
    """Photographs found, to be held in memory and degraded while training."""

    training: Sequence[Path]
    validation: Sequence[Path]
    degrade: Degrade
    margin: int = 0
    """Pixels that are degraded around each crop and then cut off."""

    def __str__(self) -> str:
        return f"{len(self.training)} photographs to train on, {len(self.validation)} to validate"

    def batches(
        self, recipe: Recipe, steps: int, share: Share, device: torch.device
    ) -> CropBatches:
        """Read the photographs onto `device` and cut training batches of them."""
        photographs = Photographs.read(self.training, long_side=recipe.long_side, device=device)
        return CropBatches(
            photographs,
            steps=steps,
            share=share,
            crop=recipe.crop + 2 * self.margin,
            seed=recipe.seed,
            reduction=recipe.reduction,
        )

    def validation_pairs(self, recipe: Recipe) -> ValidationPairs:
        """Pair each photograph's degraded centre with the clean one.

        Each photograph has random streams of its own, drawn on the host, so that every run on
        every device is validated on the same pictures.
        """
        photographs = Photographs.read(self.validation, long_side=recipe.long_side)
        clean = photographs.centre_crops(recipe.validation_crop + 2 * self.margin)
        degraded = [self._degraded(picture[None], index) for index, picture in enumerate(clean)]
        return TensorDataset(
            cut_margin(torch.cat(degraded), self.margin), cut_margin(clean, self.margin)
        )  # type: ignore[return-value]

    def _degraded(self, clean: Tensor, index: int) -> Tensor:
        """Degrade for validation, and again where chance would leave the picture as it is.

        Clean pictures are validated by themselves; here their PSNR without bound would be most of
        the mean.
        """
        for draw in range(MOST_DRAWS):
            generator = seeded_generator(0, stream=VALIDATING, index=index + draw * MOST_PICTURES)
            degraded = self.degrade(clean, generator)
            if not torch.equal(degraded, clean):
                break
        return degraded


@dataclass(frozen=True)
class PairsOnDisk:
    """Pairs found, to be decoded anew for each crop."""

    training: Sequence[Pair]
    validation: Sequence[Pair]
    degrade: None = None
    margin: int = 0

    def __str__(self) -> str:
        return f"{len(self.training)} pairs to train on, {len(self.validation)} to validate"

    def check(self, progress: Callable[[int, int], object]) -> None:
        """Decode every picture once; `progress` is called with the numbers of those done and all.

        Raises `DatasetError` whose problems are all that cannot be trained on.
        """
        pairs = [*self.training, *self.validation]
        total = len(files_of(pairs))
        problems = list(picture_problems(pairs, progress=lambda done: progress(done, total)))
        if problems:
            raise DatasetError(
                f"{len(problems)} pictures cannot be trained on; mend or remove them, or leave "
                "this unchecked with check=false.",
                [problem.message for problem in problems],
            )

    def batches(
        self, recipe: Recipe, steps: int, share: Share, device: torch.device
    ) -> PairBatches:
        """Cut training batches of the pairs; these come from the host, whatever the device."""
        return PairBatches(
            self.training,
            steps=steps,
            share=share,
            crop=recipe.crop,
            seed=recipe.seed,
            workers=recipe.workers,
        )

    def validation_pairs(self, recipe: Recipe) -> ValidationPairs:
        """Cut each pair's centre."""
        return CentrePairs(self.validation, recipe.validation_crop)


def find_pictures(recipe: Recipe) -> CleanPictures | PairsOnDisk:
    """Find what `recipe` trains on, without reading it; raises `UsageError` where it is not."""
    if recipe.dataset is not None:
        assert recipe.path is not None
        training, validation = (
            find_pairs(
                recipe.dataset, recipe.path, split, targets=recipe.targets, held_out=recipe.held_out
            )
            for split in ("train", "validation")
        )
        return PairsOnDisk(training, spread(validation, recipe.validation_pictures))
    assert recipe.photos is not None
    folder = recipe.photos
    if str(folder) == QUICKSTART:
        folder = Path(str(files("ccnet.training") / "quickstart"))
    photographs, held_out = split_photographs(folder)
    return CleanPictures(
        photographs,
        spread(held_out, recipe.validation_pictures),
        LEARNED[recipe.task],
        MARGINS.get(recipe.task, 0),
    )

"""Everything that decides what a training run does, typed and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ccnet.errors import UsageError
from ccnet.weights.header import DEEPEST, LONGEST, WIDEST


@dataclass(frozen=True)
class NetworkRecipe:
    """The network's hyper-parameters, as `CCNet` takes them."""

    width: int
    """Channels at full size."""
    modules: int
    """Blocks per stage."""
    block: Literal["star", "residual"] = "star"
    depthwise: int = 9
    """Side of the star modules' depthwise kernel."""
    strips: tuple[int, int] | None = (11, 7)
    """Taps of the long-range integration; null leaves it out."""

    def __post_init__(self) -> None:
        for key, value, most in (("width", self.width, WIDEST), ("modules", self.modules, DEEPEST)):
            _check(f"network.{key}", value, 0 < value <= most, f"from 1 to {most}")
        _check("network.width", self.width, self.width % 2 == 0, "an even number")
        kernels = [("depthwise", self.depthwise), *(("strips", taps) for taps in self.strips or ())]
        for key, taps in kernels:
            odd = 3 <= taps <= LONGEST and taps % 2 == 1
            _check(f"network.{key}", taps, odd, f"an odd number from 3 to {LONGEST}")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run does; see `recipes/*.yaml` for values."""

    name: str
    """What the run and its weights are called."""
    task: Literal["dehaze", "deblur", "desnow", "any"]
    """What is removed; `any` is all three by one network."""
    licence: str
    """Licence of the weights."""
    description: str
    """What the weights are for, in one line."""
    output: Path
    """Folder for checkpoints, weights and logs."""

    network: NetworkRecipe | None = None
    """The network; null where `start` has one."""
    start: str | None = None
    """The model to begin with: a shipped one's name or a file of weights."""

    photos: Path | None = None
    """Folder of clean photographs, degraded while training, with VAL.txt naming those to validate
    on; `ccnet:quickstart` is the one in the package. Either this or `dataset`."""
    long_side: int = 704
    """Photographs are reduced to this many pixels when read."""
    reduction: float = 1.0
    """Crops are reduced by this at least, where photographs are large enough: most are a little
    soft, and softness in the targets is taken for what should stay."""
    dataset: str | None = None
    """Layout of pairs on disk, as `ccnet data list` names them."""
    path: Path | None = None
    """Where the pairs are."""
    targets: Path | None = None
    """Folder of clean pictures, for the layout `folders`."""
    held_out: float = 0.05
    """Share of the scenes to validate on, where a dataset has no split for it."""
    validation_pictures: int = 100
    """At most so many validate, spread over all there are."""
    check: bool = True
    """Whether to decode all pictures of a dataset once before a run begins."""
    workers: int = 4
    """Processes that decode pairs; 0 decodes between the steps."""

    steps: int | None = None
    """Length of the run; either this or `epochs`."""
    epochs: int | None = None
    """Times that every picture is seen; the learning rate then changes once an epoch."""
    minutes: float | None = None
    """Time limit of the run; the learning rate then falls in time with it."""
    crop: int = 256
    batch: int = 8
    """Samples in a step, of all passes and processes together."""
    accumulate: int = 1
    """Passes that share a step's samples, for a device too small for all of them at once."""
    rate: float = 1e-4
    """Highest learning rate."""
    lowest_rate: float = 1e-6
    """The learning rate at the end. That of `rate` keeps it level, for weights to go on from."""
    warmup: int = 0
    """Steps, or epochs where these are counted, over which the learning rate rises."""
    clip: float = 0.01
    """Longest gradient; a longer one is scaled down."""
    average_decay: float = 0.999
    """Decay of the moving average of the weights; 0 for none."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """What the network computes in; auto is bf16-mixed where the device has bfloat16, and 32-true
    where it would be emulated, many times slower."""
    compile: bool = False
    """Whether `torch.compile` makes the network faster, after minutes of work at the start."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    """Processes on this machine, one for each device; under torchrun it says how many."""
    seed: int = 0
    validate_every: int = 500
    """Steps between validations; each one writes the weights and a checkpoint."""
    validation_crop: int = 256

    def __post_init__(self) -> None:
        for key in (
            *("long_side", "validation_pictures", "steps", "epochs", "minutes", "batch"),
            *("accumulate", "rate", "lowest_rate", "clip", "devices", "validate_every"),
        ):
            value = getattr(self, key)
            if value is not None:
                _check(key, value, 0 < value < math.inf, "a finite number above 0")
        for key in ("crop", "validation_crop"):
            side = getattr(self, key)
            _check(key, side, side > 0 and side % 4 == 0, "a multiple of 4")
        for key in ("warmup", "seed", "workers"):
            _check(key, getattr(self, key), getattr(self, key) >= 0, "0 or more")
        for key in ("average_decay", "held_out"):
            part = getattr(self, key)
            _check(key, part, 0 <= part < 1, "from 0 to below 1")
        _check("reduction", self.reduction, 1 <= self.reduction < math.inf, "1 or more")
        level = self.lowest_rate <= self.rate
        _check("lowest_rate", self.lowest_rate, level, f"at most rate={self.rate}")
        _check("seed", self.seed, self.seed < 2**32, "below 4294967296")
        _check_one_of(self, "steps", "epochs", "how long to train")
        _check_one_of(self, "photos", "dataset", "what to train on")
        if self.dataset is not None and self.path is None:
            raise UsageError(f"dataset={self.dataset} needs path=, where its pictures are.")
        if self.network is None and self.start is None:
            raise UsageError("network.width and network.modules are missing, or start=, a model.")


def _check(key: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise UsageError(f"{key}={value} must be {wanted}.")


def _check_one_of(recipe: Recipe, first: str, second: str, meaning: str) -> None:
    given = [getattr(recipe, key) is not None for key in (first, second)]
    if not any(given):
        raise UsageError(f"{first}= is missing, or {second}=: one of them says {meaning}.")
    if all(given):
        raise UsageError(f"{first}= and {second}= both say {meaning}; set one of them to null.")

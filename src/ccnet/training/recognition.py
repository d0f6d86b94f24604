"""Train the recogniser of `ccnet restore --task auto`: python -m ccnet.training.recognition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray
from torch import Tensor

from ccnet.datasets.photographs import Photographs, split_photographs
from ccnet.datasets.seeds import DEGRADING, VALIDATING, seeded_generator
from ccnet.degradation.blur import cut_margin
from ccnet.errors import CCNetError, WeightsError, reason_of
from ccnet.placing import taken
from ccnet.recognition import CLEAR, KINDS
from ccnet.recognition.cells import turned
from ccnet.recognition.network import SHAPES, measure
from ccnet.recognition.recogniser import Recogniser
from ccnet.recognition.views import picture_of, views_of_picture
from ccnet.training.recognition_network import DegradationClassifier
from ccnet.training.recognition_pictures import (
    make_picture,
    measured_pictures,
    reduced,
    shallow_focus,
    soften,
)

LONG_SIDE = 1024

IN_A_ROUND = (2, 2, 1, 1)
"""Pictures of each kind: clear ones cost little and differ most, and haze is of two sorts."""

NETWORKS = 2
"""Trained each from its own beginning."""

EPOCHS = 15
BATCH = 64
RATE = 3e-3

LEAST_ROUNDS = math.ceil(BATCH / sum(IN_A_ROUND))
"""Fewer do not fill one batch."""

CALIBRATED = 8
"""One of so many photographs serves to calibrate."""

CALIBRATION_SIDE = 512
"""Long side in pixels of these."""

SOFT_COUNTS = 0.5
"""How much a soft picture counts beside the others in calibrating: few clear ones are soft."""

KEPT = (96, 192)
"""Cells of overviews and of details that a step looks at, so that no few of them are relied on."""


class Sample(NamedTuple):
    """A picture's `Measured`, in half precision, its kind, and how much it counts."""

    measured: tuple[Tensor, ...]
    kind: int
    counts: float = 1.0


def train(
    photos: Annotated[Path, typer.Argument(help="Folder of clear photographs, with a VAL.txt.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .safetensors to write.")],
    rounds: Annotated[
        int,
        typer.Option(min=LEAST_ROUNDS, help="In each two clear pictures and four others are made."),
    ] = 2000,
    beside: Annotated[
        Path | None,
        typer.Option(help="A recogniser whose networks come beside the new ones, set with them."),
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "MIT",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite")] = False,
) -> None:
    """Train the recogniser on photographs that are degraded on the way."""
    prepare_output(output, overwrite)
    networks = [] if beside is None else networks_of(Recogniser.read(beside))
    training, _ = split_photographs(photos)
    photographs = Photographs.read(training, long_side=LONG_SIDE)
    samples: list[Sample] = []
    for index in range(rounds):
        samples += make_samples(photographs, seed, index)
        if index % 50 == 49:
            typer.echo(f"{len(samples)} pictures made")
    networks += [fit(samples, seed + index) for index in range(NETWORKS)]
    calibrate(networks, calibration_samples(photographs, seed))
    Recogniser([weights_of(network) for network in networks]).save(
        output, licence=licence, overwrite=overwrite
    )
    typer.echo(output)


def prepare_output(output: Path, overwrite: bool) -> None:
    """Make the folder of what is written hours later; raises `WeightsError` where it cannot be."""
    try:
        if output.is_dir() or (output.exists() and not overwrite):
            raise WeightsError(taken(output))
        output.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=output.parent).close()
    except OSError as error:
        raise WeightsError(f"{output} cannot be written: {reason_of(error)}.") from error


def make_samples(photographs: Photographs, seed: int, index: int) -> list[Sample]:
    """Make and measure the pictures of one round, by its number; every other one is finished."""
    generator = seeded_generator(seed, stream=DEGRADING, index=index)
    samples = []
    for kind, count in enumerate(IN_A_ROUND):
        for _ in range(count):
            made = make_picture(photographs, KINDS[kind], generator, finished=index % 2 == 0)
            samples.append(_sample(made, kind))
    return samples


def calibration_samples(photographs: Photographs, seed: int) -> list[Sample]:
    """Measure what docs/recognition.md measures of every eighth photograph, and it made soft."""
    samples = []
    for index, picture in enumerate(photographs.pictures[::CALIBRATED]):
        generator = seeded_generator(seed, stream=VALIDATING, index=index)
        clean = reduced(picture, CALIBRATION_SIDE)
        for kind, made in measured_pictures(clean, generator):
            samples.append(_sample(made, KINDS.index(kind)))
        # What is soft without motion is clear, which the measured ones would not tell.
        soft = (soften, shallow_focus)[index % 2](clean, generator)
        made_soft = _sample(cut_margin(soft)[0], KINDS.index(CLEAR))
        samples.append(made_soft._replace(counts=SOFT_COUNTS))
    return samples


def _sample(made: Tensor, kind: int) -> Sample:
    measured = measure(views_of_picture(picture_of(made.numpy())))
    return Sample(tuple(torch.from_numpy(part).half() for part in measured), kind)


def fit(samples: Sequence[Sample], seed: int, epochs: int = EPOCHS) -> DegradationClassifier:
    """Train a network on what was measured."""
    torch.manual_seed(seed)
    network = DegradationClassifier()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.1)
    order = torch.Generator().manual_seed(seed)
    steps = epochs * (len(samples) // BATCH)
    for step in range(steps):
        measured, kinds = draw_batch(samples, order)
        loss = F.cross_entropy(network(*measured), kinds, label_smoothing=0.05)
        falling = 0.5 + 0.5 * math.cos(math.pi * step / steps)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * falling
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 100 == 99:
            typer.echo(f"step {step + 1} of {steps}, loss {loss:.4f}")
    return network.eval()


def calibrate(networks: Sequence[DegradationClassifier], samples: Sequence[Sample]) -> None:
    """Move the last layers' biases towards where the kinds of `samples` are likeliest.

    Pictures to learn from are made hard to tell apart, and who learned from them takes others for
    clear too often.
    """
    measured = [
        torch.stack(parts).float() for parts in zip(*(one.measured for one in samples), strict=True)
    ]
    with torch.no_grad():
        logits = torch.stack([network(*measured) for network in networks]).mean(0)
    kinds = torch.tensor([one.kind for one in samples])
    counts = torch.tensor([one.counts for one in samples])
    shift = torch.zeros(len(KINDS), requires_grad=True)
    optimizer = torch.optim.LBFGS([shift], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = (counts * F.cross_entropy(logits + shift, kinds, reduction="none")).sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    for network in networks:
        network.state_dict()["head.5.bias"].add_(shift.detach())


def networks_of(recogniser: Recogniser) -> list[DegradationClassifier]:
    """Give the networks of a recogniser, as they were trained."""
    networks = []
    for weights in recogniser.networks:
        network = DegradationClassifier()
        state = {name: torch.from_numpy(values) for name, values in weights.items()}
        network.load_state_dict(state, strict=False)  # it has counts of batches, too
        networks.append(network.eval())
    return networks


def weights_of(network: DegradationClassifier) -> dict[str, NDArray[np.float32]]:
    """Give a network's weights as a `Recogniser` takes them."""
    state = network.state_dict()
    return {name: state[name].numpy() for name in SHAPES}


def draw_batch(samples: Sequence[Sample], order: torch.Generator) -> tuple[list[Tensor], Tensor]:
    """Draw samples, all turned alike, and some of their cells: what is measured, and kinds."""
    places = torch.randint(len(samples), (BATCH,), generator=order).tolist()
    mirrored, transposed = (torch.rand(2, generator=order) < 0.5).tolist()
    channels = torch.tensor(turned(mirrored, transposed))[:, None]
    measured, kinds, _ = zip(*(samples[place] for place in places), strict=True)
    overviews, details, spectra = zip(*measured, strict=True)
    drawn = []
    for parts, kept in zip((overviews, details), KEPT, strict=True):
        cells = torch.randperm(parts[0].shape[1], generator=order)[:kept]
        drawn.append(torch.stack([part[channels, cells] for part in parts]).float())
    # Turned, the directions of a spectrum change places, and the order of those tells nothing.
    drawn.append(torch.stack(spectra).float())
    return drawn, torch.tensor(kinds)


if __name__ == "__main__":
    try:
        typer.run(train)
    except CCNetError as error:
        raise SystemExit(f"ccnet: {error}") from None

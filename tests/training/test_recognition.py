"""Training the recogniser: what it is shown, and that it learns."""

from __future__ import annotations

import shutil
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from skimage import data

from ccnet.datasets.photographs import Photographs, split_photographs
from ccnet.degradation.blur import MARGIN
from ccnet.errors import UsageError, WeightsError
from ccnet.images import Picture
from ccnet.recognition import KINDS
from ccnet.recognition.cells import CHANNELS, LEVELS
from ccnet.recognition.recogniser import Recogniser
from ccnet.recognition.spectrum import DIRECTIONS, MEASURED
from ccnet.recognition.views import views_of_picture
from ccnet.training.recognition import (
    Sample,
    calibrate,
    fit,
    make_samples,
    networks_of,
    train,
    weights_of,
)
from ccnet.training.recognition_network import DegradationClassifier
from ccnet.training.recognition_pictures import (
    add_white_haze,
    make_drawing,
    make_picture,
    measured_pictures,
    reduced,
    shallow_focus,
)

QUICKSTART = Path(str(files("ccnet.training") / "quickstart"))


@pytest.fixture(scope="module")
def photographs() -> Photographs:
    return Photographs.read(split_photographs(QUICKSTART)[0][:3], long_side=320)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_each_kind_are_made_alike_from_one_seed(
    photographs: Photographs, kind: str
) -> None:
    first, again, other = (
        make_picture(photographs, kind, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.dtype == torch.float32
    assert first.shape[0] == 3
    assert 0 <= first.min() <= first.max() <= 1
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_drawings_differ_and_are_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    drawings = [make_drawing(generator) for _ in range(30)]
    assert all(0 <= drawing.min() <= drawing.max() <= 1 for drawing in drawings)
    assert len({drawing.shape for drawing in drawings}) > 20
    assert any(drawing.std((2, 3)).max() < 1e-6 for drawing in drawings)
    assert any(drawing.std((2, 3)).max() > 0.1 for drawing in drawings)


def test_shallow_focus_keeps_light_and_takes_detail_away() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 200, 200, generator=generator)
    soft = shallow_focus(noise, generator)
    assert soft.mean() == pytest.approx(float(noise.mean()), abs=0.01)
    assert 0.05 < soft.std() < 0.9 * noise.std()


def test_a_round_holds_each_kind_and_is_always_the_same(photographs: Photographs) -> None:
    first, again, next_ = (make_samples(photographs, 0, index) for index in (0, 0, 1))
    assert [sample.kind for sample in first] == [0, 0, 1, 1, 2, 3]
    assert all(
        map(torch.equal, one.measured, two.measured) for one, two in zip(first, again, strict=True)
    )
    assert not torch.equal(first[0].measured[1], next_[0].measured[1])


def nothing_measured(generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Noise as of a picture with 30 cells in either view."""
    shapes = ((CHANNELS, 30), (CHANNELS, 30), (MEASURED, DIRECTIONS))
    return tuple(torch.randn(shape, generator=generator).half() for shape in shapes)


@pytest.mark.slow
def test_what_can_be_told_apart_is_learned() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = []
    for kind in torch.arange(len(KINDS)).repeat(40).tolist():
        measured = nothing_measured(generator)
        measured[1][8 * LEVELS + kind] += 2.0
        samples.append(Sample(measured, kind))
    network = fit(samples[40:], seed=0, epochs=200)
    with torch.no_grad():
        parts = zip(*(sample.measured for sample in samples[:40]), strict=True)
        logits = network(*(torch.stack(part).float() for part in parts))
    right = logits.argmax(1) == torch.tensor([sample.kind for sample in samples[:40]])
    assert right.float().mean() > 0.9


def test_unfinished_pictures_are_as_they_were_taken(photographs: Photographs) -> None:
    """Of every other round: gray, resized or compressed later, no picture of these is."""
    finished, taken = (
        [
            make_picture(photographs, "snow", torch.Generator().manual_seed(seed), finished=how)
            for seed in range(12)
        ]
        for how in (True, False)
    )
    assert not all(map(torch.equal, finished, taken))
    assert any(one.shape != other.shape for one, other in zip(finished, taken, strict=True))
    assert all((picture[0] - picture[2]).abs().max() > 0.01 for picture in taken)


def test_what_is_measured_is_made_of_a_photograph(photographs: Photographs) -> None:
    clean = reduced(photographs.pictures[0], 128)
    made = list(measured_pictures(clean, torch.Generator().manual_seed(0)))
    assert Counter(kind for kind, _ in made) == dict.fromkeys(KINDS, 3)
    inner = clean[0, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert max(inner.shape) == 128
    assert {picture.shape for _, picture in made} == {inner.shape}
    assert torch.equal(made[0][1], inner)
    changes = [float((picture - inner).abs().mean()) for _, picture in made[1:]]
    assert max(changes[:2]) < 0.02 < min(changes[2:5])


def test_calibration_takes_off_what_a_network_leans_to() -> None:
    torch.manual_seed(0)
    network = DegradationClassifier().eval()
    generator = torch.Generator().manual_seed(0)
    samples = [
        Sample(nothing_measured(generator), kind)
        for kind in torch.arange(len(KINDS)).repeat(50).tolist()
    ]
    network.state_dict()["head.5.bias"] += torch.tensor([4.0, 0.0, 0.0, -2.0])
    calibrate([network], samples)
    with torch.no_grad():
        likely = [
            network(*(part[None].float() for part in one.measured)).softmax(1)[0] for one in samples
        ]
    # Nothing tells these apart, so each kind should be as likely as there are samples of it.
    assert torch.stack(likely).mean(0).tolist() == pytest.approx([0.25] * 4, abs=0.01)


def test_white_air_is_what_is_left_of_black_far_away() -> None:
    generator = torch.Generator().manual_seed(0)
    made = add_white_haze(torch.zeros(8, 3, 96, 128), 1.0, generator)
    assert (made.amax(1) - made.amin(1)).median() < 0.01
    # A black scene gives A * (1 - t), and its farthest point has a t of exp(-3).
    farthest = made.mean(1).flatten(1).quantile(0.995, dim=1)
    assert farthest.min() > 0.85
    assert farthest.median() < 0.96  # some are patchy, and denser


def test_networks_come_out_of_a_recogniser_as_they_went_in() -> None:
    torch.manual_seed(0)
    network = DegradationClassifier().eval()
    for buffer in network.buffers():
        if buffer.dtype.is_floating_point:
            buffer.uniform_(0.5, 2)
    (again,) = networks_of(Recogniser([weights_of(network)]))
    measured = nothing_measured(torch.Generator().manual_seed(0))
    parts = [part[None].float() for part in measured]
    with torch.no_grad():
        assert torch.equal(again(*parts), network(*parts))


def test_an_output_that_cannot_be_is_found_before_photographs_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, message in (
        ("file/a.safetensors", "a.safetensors cannot be written: file exists"),
        ("/proc/a.safetensors", "a.safetensors cannot be written: "),
        ("file", "is there already"),
        (".", "is a folder"),
    ):
        with pytest.raises(WeightsError, match=message):
            train(tmp_path / "none", tmp_path / name)
    with pytest.raises(UsageError, match="photos="):
        train(tmp_path / "none", tmp_path / "made" / "a.safetensors")
    assert not list((tmp_path / "made").iterdir())


@pytest.mark.slow
def test_the_command_writes_a_recogniser(tmp_path: Path) -> None:
    for name in ("cove.jpg", "street.jpg", "garden.jpg"):
        shutil.copy(QUICKSTART / name, tmp_path)
    (tmp_path / "VAL.txt").write_text("garden.jpg\n")
    path = tmp_path / "a.safetensors"
    train(tmp_path, path, rounds=13)
    assert Recogniser.read(path).probabilities(views_of_picture(Picture(data.astronaut())))
    train(tmp_path, tmp_path / "four.safetensors", rounds=13, beside=path)
    assert len(Recogniser.read(tmp_path / "four.safetensors").networks) == 4
    with pytest.raises(WeightsError, match="is there already"):
        train(tmp_path, path)

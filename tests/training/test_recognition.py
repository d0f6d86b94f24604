"""Training the recogniser: what it is shown, and that it learns."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from ccnet.datasets.photographs import Photographs, split_photographs
from ccnet.errors import WeightsError
from ccnet.recognition import KINDS
from ccnet.recognition.cells import CHANNELS, LEVELS
from ccnet.recognition.recogniser import Recogniser
from ccnet.training.recognition import Sample, fit, make_samples, train
from ccnet.training.recognition_pictures import make_drawing, make_picture, shallow_focus

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
    assert [sample.kind for sample in first] == [0, 0, 1, 2, 3]
    assert all(torch.equal(one.details, two.details) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[0].details, next_[0].details)


def test_what_can_be_told_apart_is_learned() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = []
    for kind in torch.arange(len(KINDS)).repeat(40).tolist():
        overview, details = (torch.randn(CHANNELS, 30, generator=generator) for _ in range(2))
        details[8 * LEVELS + kind] += 2.0
        samples.append(Sample(overview.half(), details.half(), kind))
    network = fit(samples[40:], seed=0, epochs=200)
    with torch.no_grad():
        logits = network(
            torch.stack([sample.overview for sample in samples[:40]]).float(),
            torch.stack([sample.details for sample in samples[:40]]).float(),
        )
    right = logits.argmax(1) == torch.tensor([sample.kind for sample in samples[:40]])
    assert right.float().mean() > 0.9


def test_the_command_writes_a_recogniser(tmp_path: Path) -> None:
    for name in ("cove.jpg", "street.jpg", "garden.jpg"):
        shutil.copy(QUICKSTART / name, tmp_path)
    (tmp_path / "VAL.txt").write_text("garden.jpg\n")
    path = tmp_path / "a.safetensors"
    train(tmp_path, path, rounds=13, threshold=0.4)
    assert Recogniser.read(path).threshold == 0.4
    with pytest.raises(WeightsError, match="is there already"):
        train(tmp_path, path)

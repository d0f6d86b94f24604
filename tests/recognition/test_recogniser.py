"""The recogniser that ships, on photographs it has seen clear, degraded anew; and files of weights.

How it does on those it has not seen, docs/recognition.md tells.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from ccnet.degradation import DEGRADATIONS
from ccnet.degradation.blur import MARGIN
from ccnet.errors import WeightsError
from ccnet.images import Picture
from ccnet.recognition import CLEAR, KINDS, TASKS
from ccnet.recognition.network import SHAPES, measure
from ccnet.recognition.recogniser import WEIGHTS, Recogniser, shipped_recogniser
from ccnet.recognition.views import views_of_picture
from ccnet.training.data import LEARNED
from ccnet.training.recognition import weights_of
from ccnet.training.recognition_network import DegradationClassifier
from ccnet.weights.registry import DEFAULTS


def photographs() -> list[Path]:
    return sorted(Path(str(files("ccnet.training") / "quickstart")).glob("*.jpg"))


def kind_of(pixels: NDArray[Any]) -> str:
    picture = Picture(pixels, space="gray" if pixels.shape[2] == 1 else "rgb")
    return shipped_recogniser().recognise(views_of_picture(picture))


def degraded(path: Path, kind: str, strength: float) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        clean = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    generator = torch.Generator().manual_seed(len(path.name))
    made = DEGRADATIONS[kind](clean, generator, strength)[0, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
    return (made * 255).round().byte().permute(1, 2, 0).numpy()


def fresh_weights() -> dict[str, NDArray[np.float32]]:
    torch.manual_seed(0)
    return weights_of(DegradationClassifier())


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket"])
def test_probabilities_are_those_of_the_network_that_was_trained(name: str) -> None:
    views = views_of_picture(Picture(getattr(data, name)()))
    saved = safetensors.torch.load_file(WEIGHTS)
    measured = [torch.from_numpy(part)[None] for part in measure(views)]
    logits = torch.zeros(1, len(KINDS))
    count = len(shipped_recogniser().networks)
    assert count * len(SHAPES) == len(saved)
    for index in range(count):
        network = DegradationClassifier().eval()
        network.load_state_dict(
            {name: saved[f"{index}.{name}"] for name in network.state_dict() if "num_" not in name},
            strict=False,
        )
        with torch.inference_mode():
            logits += network(*measured) / count
    expected = logits.softmax(1)[0].tolist()
    found = shipped_recogniser().probabilities(views)
    assert found == pytest.approx(dict(zip(KINDS, expected, strict=True)), abs=1e-5)


def test_kinds_are_those_that_are_made_and_undone() -> None:
    assert set(TASKS) == set(DEGRADATIONS)
    assert set(DEFAULTS) <= set(TASKS.values())
    for kind, task in TASKS.items():
        assert LEARNED[task] is DEGRADATIONS[kind]


# Blur is the hardest to tell: docs/recognition.md.
@pytest.mark.parametrize(("kind", "least"), [("haze", 14), ("blur", 13), ("snow", 14)])
def test_made_degradations_are_recognised(kind: str, least: int) -> None:
    found = [kind_of(degraded(path, kind, 0.6)) for path in photographs()]
    assert found.count(kind) >= least, found


def test_clear_photographs_are_left_alone() -> None:
    found = [kind_of(np.asarray(Image.open(path))) for path in photographs()]
    assert found.count(CLEAR) >= 15, found


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "cat", "rocket", "page", "logo"])
def test_other_photographs_and_documents_are_clear(name: str) -> None:
    pixels = np.atleast_3d(getattr(data, name)())
    assert kind_of(np.ascontiguousarray(pixels[:, :, :3])) == CLEAR


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 400)])
def test_where_there_is_nothing_there_is_nothing_wrong(value: int, size: tuple[int, int]) -> None:
    assert kind_of(np.full((*size, 3), value, np.uint8)) == CLEAR


def test_noise_is_clear() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert kind_of(noise) == CLEAR


def test_a_file_of_weights_keeps_what_was_learned(tmp_path: Path) -> None:
    recogniser = Recogniser([fresh_weights()] * 3)
    recogniser.save(tmp_path / "a.safetensors", licence="MIT")
    again = Recogniser.read(tmp_path / "a.safetensors")
    views = views_of_picture(Picture(data.astronaut()))
    assert again.probabilities(views) == pytest.approx(recogniser.probabilities(views), abs=0.01)


def test_a_broken_file_of_weights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(WeightsError, match=r"a\.safetensors"):
        Recogniser.read(path)
    Recogniser([fresh_weights()] * 2).save(path, licence="MIT")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"a\.safetensors"):
        Recogniser.read(path)
    other = next(Path(str(files("ccnet.weights") / "models")).glob("*.safetensors"))
    with pytest.raises(WeightsError, match="holds no recogniser"):
        Recogniser.read(other)
    Recogniser([]).save(path, licence="MIT", overwrite=True)
    with pytest.raises(WeightsError, match="holds no recogniser"):
        Recogniser.read(path)
    narrower = fresh_weights() | {"head.5.bias": np.zeros(3, np.float32)}
    Recogniser([fresh_weights(), narrower]).save(path, licence="MIT", overwrite=True)
    with pytest.raises(WeightsError, match="holds no recogniser"):
        Recogniser.read(path)

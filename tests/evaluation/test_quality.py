"""The quality measurement: what is put to what, and scores against scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from ccnet.degradation.blur import cut_margin
from ccnet.errors import CCNetError, UsageError, WeightsError
from ccnet.evaluation.conditions import KINDS, LEVELS, degraded, read_framed
from ccnet.evaluation.quality import CLEAR, INPUT, Quality, Score, measure_quality
from ccnet.network import CCNet
from ccnet.restoration import Restorer
from ccnet.weights.files import save_checkpoint
from ccnet.weights.registry import DEFAULTS

SIZE = 72
Photographs = list[Path]


@pytest.fixture
def photographs(tmp_path: Path) -> Photographs:
    paths = []
    for name, pixels in (("a.png", data.astronaut()), ("b.png", data.coffee())):
        Image.fromarray(pixels[:112, :112]).save(tmp_path / name)
        paths.append(tmp_path / name)
    return paths


def by_key(quality: Quality) -> dict[tuple[str, str, str, str], Score]:
    return {(one.photograph, one.kind, one.level, one.candidate): one for one in quality.scores}


def to_bytes(picture: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def test_scores_are_scikit_images_of_8_bits(photographs: Photographs, weights: Path) -> None:
    quality = measure_quality(photographs, [str(weights)], kinds=["haze"], size=SIZE, device="cpu")
    scores = by_key(quality)
    names = (INPUT, "dark-channel", "tiny.safetensors")
    assert len(scores) == len(quality.scores) == 2 * (3 * len(names) + 2)
    framed = read_framed(photographs[0], SIZE)
    clean = to_bytes(cut_margin(framed))
    restorer = Restorer(weights, device="cpu")
    for level, strength in zip(LEVELS, KINDS["haze"].strengths, strict=True):
        hazy = to_bytes(degraded(framed, "a.png", "haze", strength))
        restored = np.rint(restorer((hazy / 255).astype(np.float32)) * 255).astype(np.uint8)
        before = peak_signal_noise_ratio(clean, hazy)
        for name, pixels in ((INPUT, hazy), ("tiny.safetensors", restored)):
            score = scores["a.png", "haze", level, name]
            psnr = peak_signal_noise_ratio(clean, pixels)
            assert score.psnr == pytest.approx(psnr, abs=1e-2)
            assert score.change == pytest.approx(psnr - before, abs=1e-2)
            ssim = structural_similarity(clean, pixels, channel_axis=2)
            assert score.ssim == pytest.approx(ssim, abs=1e-3)


def test_a_model_that_changes_nothing(photographs: Photographs) -> None:
    scores = by_key(measure_quality(photographs, ["identity"], size=SIZE, device="cpu"))
    for name in ("a.png", "b.png"):
        for kind in KINDS:
            for level in LEVELS:
                kept, given = (scores[name, kind, level, one] for one in ("identity", INPUT))
                assert kept.psnr == pytest.approx(given.psnr, abs=1e-5)
                assert kept.ssim == pytest.approx(given.ssim, abs=1e-9)
                assert kept.change == pytest.approx(0, abs=1e-5)
        clear = scores[name, CLEAR, CLEAR, "identity"]
        assert (clear.psnr, clear.change) == (100, None)
        assert clear.ssim == pytest.approx(1)


def test_a_score_hangs_neither_on_order_nor_on_what_else_is_measured(
    photographs: Photographs,
) -> None:
    steps: list[tuple[str, int, int]] = []
    everything = measure_quality(
        photographs, ["median"], size=SIZE, progress=lambda *step: steps.append(step)
    )
    assert steps[0] == ("a.png", 1, 20)
    assert steps[-1] == ("b.png", 20, 20)
    part = measure_quality(photographs[::-1], ["median"], kinds=["snow"], size=SIZE)
    assert list(part.candidates) == ["snow"]
    assert by_key(part).items() <= by_key(everything).items()
    assert measure_quality(photographs, ["median"], size=SIZE).scores == everything.scores


def test_without_models_each_kind_gets_its_baselines_and_its_tasks_default(
    photographs: Photographs,
) -> None:
    candidates = measure_quality(photographs[:1], size=SIZE).candidates
    assert list(candidates) == list(KINDS)
    for kind, chosen in candidates.items():
        default = DEFAULTS.get(KINDS[kind].task)
        expected = [*KINDS[kind].baselines, *([default] if default else [])]
        assert [one.name for one in chosen] == expected


def test_a_model_is_put_to_the_kind_that_its_file_names_and_one_without_to_all(
    photographs: Photographs, weights: Path, network: CCNet, tmp_path: Path
) -> None:
    published = tmp_path / "any.pkl"
    save_checkpoint(network, published)
    models = [str(weights), str(published), "unsharp"]
    candidates = measure_quality(
        photographs[:1], models, kinds=["blur", "haze"], size=SIZE
    ).candidates
    names = {kind: [one.name for one in chosen] for kind, chosen in candidates.items()}
    assert names == {
        "haze": ["dark-channel", "tiny.safetensors", "any.pkl", "unsharp"],
        "blur": ["unsharp", "wiener", "any.pkl"],
    }


def test_a_photograph_that_cannot_be_measured_is_left_out(
    photographs: Photographs, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(photographs[0].read_bytes()[:-99])
    small = tmp_path / "small.png"
    Image.new("RGB", (300, 50)).save(small)
    told: list[str] = []
    quality = measure_quality(
        [broken, *photographs, small], ["identity"], kinds=["haze"], size=SIZE, failed=told.append
    )
    assert list(quality.left_out) == ["broken.png", "small.png"]
    assert [str(broken) in told[0], str(small) in told[1], len(told)] == [True, True, 2]
    whole = measure_quality(photographs, ["identity"], kinds=["haze"], size=SIZE)
    assert quality.scores == whole.scores
    with pytest.raises(CCNetError, match="None of the 2 photographs"):
        measure_quality([broken, small], ["identity"], kinds=["haze"], size=SIZE)


@pytest.mark.parametrize(
    ("models", "kinds", "size", "error", "words"),
    [
        ((), ["rain"], SIZE, UsageError, "kind=rain is none of haze, blur, snow"),
        ((), [], 63, UsageError, "size=63"),
        (["desnow-small"], ["haze"], SIZE, UsageError, "desnow-small is for desnow and not for"),
        (["no-such-model"], [], SIZE, WeightsError, "no-such-model"),
        (["gone.safetensors"], [], SIZE, WeightsError, "gone.safetensors"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_measured(
    models: list[str],
    kinds: list[str],
    size: int,
    error: type[CCNetError],
    words: str,
    photographs: Photographs,
) -> None:
    steps: Callable[..., None] = lambda *step: pytest.fail(f"measured {step}")  # noqa: E731
    with pytest.raises(error, match=words):
        measure_quality(photographs, models, kinds=kinds, size=size, progress=steps)

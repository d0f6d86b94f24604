"""Candidates on pairs: as the published evaluation does it, and with pairs that are broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.metrics import structural_similarity

from ccnet.datasets.pairs import Pair
from ccnet.errors import PictureError
from ccnet.evaluation.candidates import Candidate, Pixels, open_candidates
from ccnet.evaluation.measuring import measure
from ccnet.evaluation.protocols import find_protocols
from ccnet.network import CCNet

WritePair = Callable[[str, int, int], Pair]


def candidates(*models: str) -> list[Candidate]:
    return open_candidates(models, device="cpu", precision="auto", tile="auto")


def read(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(("height", "width"), [(140, 160), (141, 163), (400, 398)])
def test_published_follows_the_published_evaluation(
    height: int, width: int, network: CCNet, weights: Path, write_pair: WritePair
) -> None:
    """The steps of the published code, written out: pad what is no multiple of 4, crop, clamp."""
    pair = write_pair("a", height, width)
    hazy, clear = read(pair.degraded), read(pair.target)
    down, right = -height % 4, -width % 4
    with torch.no_grad():
        full = network.forward_pyramid(F.pad(hazy, (0, right, 0, down), "reflect"))[2]
    restored = full[:, :, :height, :width].clamp(0, 1)
    psnr = 10 * torch.log10(1 / F.mse_loss(restored, clear))
    padded = (height + 4) // 4 * 4, (width + 4) // 4 * 4
    ratio = max(1, round(min(padded) / 256))
    size = int(padded[0] / ratio), int(padded[1] / ratio)
    reduced = [F.adaptive_avg_pool2d(x, size)[0].double().numpy() for x in (restored, clear)]
    ssim = structural_similarity(
        *reduced,
        channel_axis=0,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    (row,) = measure([pair], candidates(str(weights)), find_protocols(["published"])).rows
    assert row.psnr == pytest.approx(float(psnr), abs=1e-4)
    assert row.ssim == pytest.approx(ssim, abs=1e-4)
    assert (row.height, row.width, row.tiled) == (height, width, False)


def test_identity_has_the_inputs_psnr_and_leaves_targets_as_they_are(write_pair: WritePair) -> None:
    rows = measure(
        [write_pair("a", 20, 30)], candidates("identity"), find_protocols(), clean=True
    ).rows
    assert len(rows) == 4
    for row in rows:
        assert row.psnr == row.input_psnr
        assert row.clean_psnr == float("inf")


def test_broken_pairs_are_named_and_the_rest_goes_on(write_pair: WritePair) -> None:
    pairs = [write_pair(name, 20, 30) for name in ("a", "b", "c", "d")]
    pairs[1].degraded.write_bytes(pairs[1].degraded.read_bytes()[:-200])
    Image.new("RGB", (5, 5)).save(pairs[2].target)
    told: list[str] = []
    seen: list[tuple[str, int]] = []
    measured = measure(
        pairs,
        candidates("identity", "dark-channel"),
        find_protocols(["rgb"]),
        progress=lambda name, done: seen.append((name, done)),
        failed=told.append,
    )
    assert [(row.picture, row.candidate) for row in measured.rows] == [
        (name, model) for name in "ad" for model in ("identity", "dark-channel")
    ]
    assert list(measured.left_out) == ["b", "c"]
    assert str(pairs[1].degraded) in told[0]
    assert str(pairs[2].target) in told[1]
    assert seen == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]


def test_a_picture_that_one_candidate_cannot_take_is_left_out_for_all(
    write_pair: WritePair,
) -> None:
    def refuse(picture: Pixels, _progress: Callable[[float], object]) -> Pixels:
        if picture.shape[0] == 21:
            raise PictureError("This model takes no 21 rows.")
        return picture

    pairs = [write_pair("a", 20, 30), write_pair("b", 21, 30)]
    models = [*candidates("identity"), Candidate("picky", refuse, None, None, None)]
    told: list[str] = []
    measured = measure(pairs, models, find_protocols(["rgb"]), failed=told.append)
    assert {row.picture for row in measured.rows} == {"a"}
    assert told == [f"{pairs[1].degraded}: This model takes no 21 rows."]


def test_a_picture_restored_in_tiles_is_told(weights: Path, write_pair: WritePair) -> None:
    pair = write_pair("a", 40, 700)
    models = open_candidates([str(weights)], device="cpu", precision="auto", tile=512)
    (row,) = measure([pair], models, find_protocols(["rgb"])).rows
    assert row.tiled

"""Means over pictures, with those that have no end."""

from __future__ import annotations

import dataclasses
import math

import pytest

from ccnet.evaluation.measuring import Measurement
from ccnet.evaluation.summary import seconds_per_megapixel, summarise

ROW = Measurement("a", "model", "rgb", 500, 1000, 20.0, 0.5, 10.0, None, 2.0, False)


def row(**changes: object) -> Measurement:
    return dataclasses.replace(ROW, **changes)  # type: ignore[arg-type]


def test_mean_median_and_worst() -> None:
    rows = [row(), row(picture="b", psnr=10.0, ssim=0.2), row(picture="c", psnr=60.0, ssim=None)]
    (summary,) = summarise(rows)
    assert (summary.psnr_mean, summary.psnr_median, summary.psnr_worst) == (30, 20, 10)
    assert summary.worst_picture == "b"
    assert summary.ssim_mean == pytest.approx(0.35)
    assert summary.ssim_worst == 0.2
    assert (summary.pictures, summary.without_ssim, summary.identical) == (3, 1, 0)
    assert summary.clean_psnr_mean is None


def test_a_picture_without_end_counts_as_100_db() -> None:
    rows = [row(), row(psnr=math.inf, input_psnr=math.inf, clean_psnr=math.inf)]
    (summary,) = summarise(rows)
    assert (summary.psnr_mean, summary.identical) == (60, 1)
    assert (summary.input_psnr_mean, summary.clean_psnr_mean) == (55, 100)


def test_no_picture_large_enough_for_ssim() -> None:
    (summary,) = summarise([row(ssim=None)])
    assert summary.ssim_mean is None
    assert summary.ssim_worst is None


def test_rows_are_grouped_by_protocol_and_model() -> None:
    rows = [row(candidate=name, protocol=kind) for name in "ab" for kind in ("rgb", "y")]
    found = [(summary.protocol, summary.candidate) for summary in summarise(rows)]
    assert found == [("rgb", "a"), ("rgb", "b"), ("y", "a"), ("y", "b")]


def test_time_is_counted_once_for_all_protocols() -> None:
    rows = [row(), row(protocol="y"), row(picture="b"), row(candidate="other", seconds=50.0)]
    assert seconds_per_megapixel(rows, "model") == pytest.approx(4)

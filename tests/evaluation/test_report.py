"""Reports as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ccnet.datasets.pairs import Pair
from ccnet.errors import CCNetError, UsageError
from ccnet.evaluation.evaluate import evaluate
from ccnet.evaluation.report import NAMES, Report, check_output, write_report
from ccnet.images import read_picture

WritePair = Callable[[str, int, int], Pair]


@pytest.fixture
def report(write_pair: WritePair, tmp_path: Path) -> Report:
    """Four pictures, of which one is too small for SSIM and one is broken."""
    write_pair("a|b", 20, 30)
    write_pair("c", 5, 30)
    write_pair("d", 20, 31)
    broken = write_pair("e", 20, 30).target
    broken.write_bytes(broken.read_bytes()[:-99])
    return evaluate(
        ["identity", "dark-channel"], "folders", tmp_path / "hazy", tmp_path / "clear", clean=True
    )


def test_the_json_holds_what_was_measured_and_what_was_not(report: Report) -> None:
    found = json.loads(report.to_json())
    assert found["pairs"] == 4
    assert list(found["left_out"]) == ["e"]
    assert [candidate["candidate"] for candidate in found["candidates"]] == [
        "identity",
        "dark-channel",
    ]
    assert len(found["scores"]) == 8
    for score in found["scores"]:
        assert score["pictures"] == 3
        assert score["without_ssim"] == 1
    assert found["scores"][0]["psnr_mean"] == found["scores"][0]["input_psnr_mean"]
    assert found["scores"][0]["clean_psnr_mean"] == 100
    assert set(found["versions"]) >= {"python", "torch", "torchmetrics", "ccnet-restore"}


def test_the_csv_has_a_row_for_each_picture_candidate_and_protocol(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert len(rows) == 3 * 2 * 4
    first = rows[0]
    assert (first["picture"], first["candidate"]) == ("a|b", "identity")
    assert (first["height"], first["width"], first["clean_psnr"]) == ("20", "30", "inf")
    assert float(first["psnr"]) == pytest.approx(report.measured.rows[0].psnr, abs=1e-6)
    small = [row for row in rows if row["picture"] == "c" and row["protocol"] == "rgb"]
    assert [row["ssim"] for row in small] == ["", ""]


def test_the_markdown_has_whole_tables(report: Report) -> None:
    page = report.to_markdown()
    lines = [line.replace("\\|", "") for line in page.splitlines() if line.startswith("|")]
    columns = [line.count("|") for line in lines]
    assert columns == [12] * (2 + 8) + [5] * (2 + 2) + [3] * (2 + 3)
    assert "Left out: 1 of 4 pictures" in page
    assert "rgb, too small for SSIM: 1 of 3 pictures" in page
    assert "a\\|b" in page


def test_a_report_is_written_whole_and_not_over_another(report: Report, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    check_output(folder, overwrite=False)
    write_report(report, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert json.loads((folder / "report.json").read_text()) == json.loads(report.to_json())
    assert read_picture(folder / "worst-and-best.png").pixels.shape[2] == 3
    with pytest.raises(UsageError, match="--overwrite"):
        check_output(folder, overwrite=False)
    with pytest.raises(CCNetError):
        write_report(report, folder)
    write_report(report, folder, overwrite=True)


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "folder", tmp_path / ("n" * 300)):
        with pytest.raises(UsageError, match="--output"):
            check_output(path, overwrite=True)


def test_the_numbers_are_there_if_the_sheet_cannot_be_drawn(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(type(report.measured.extremes), "sheet", fail)
    with pytest.raises(MemoryError):
        write_report(report, tmp_path)
    assert (tmp_path / "pictures.csv").read_text("utf-8") == report.to_csv()


def test_no_picture_that_can_be_measured(write_pair: WritePair, tmp_path: Path) -> None:
    write_pair("a", 20, 30).target.write_bytes(b"")
    with pytest.raises(CCNetError, match="None of the 1 pairs"):
        evaluate(["identity"], "folders", tmp_path / "hazy", tmp_path / "clear")


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="limit=0"):
        evaluate(["identity"], "folders", tmp_path, tmp_path, limit=0)

"""`ccnet restore` as a person runs it: as a program, on files good and bad."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from ccnet.network import CCNet
from ccnet.weights.files import save_model
from ccnet.weights.registry import MODELS

ONNX = MODELS / "dehaze-small.onnx"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network that visibly changes pictures."""
    torch.manual_seed(0)
    network = CCNet(width=4, modules=1)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(network, path, {"task": "dehaze", "name": "tiny"})
    return path


def ccnet(
    *arguments: str | os.PathLike[str], data: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", "from ccnet.cli.main import run; run()", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, input=data, capture_output=True, cwd=cwd, env=environment, check=False
    )


def photograph(path: Path, size: tuple[int, int] = (60, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(data.astronaut()).resize(size).save(path)
    return path


def test_a_folder_of_good_and_bad_files(weights: Path, tmp_path: Path) -> None:
    good = photograph(tmp_path / "in" / "good.png")
    photograph(tmp_path / "in" / "deep" / "also.jpg", (33, 50))
    (tmp_path / "in" / "text.jpg").write_text("no picture")
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "cut.png").write_bytes(good.read_bytes()[:-500])
    done = ccnet("restore", tmp_path / "in", "-o", tmp_path / "out", "--model", weights)
    assert done.returncode == 1
    assert {Path(line).name for line in done.stdout.decode().splitlines()} == {
        "good.png",
        "also.jpg",
    }
    lines = done.stderr.decode().splitlines()
    for name in ("text.jpg", "empty.png", "cut.png"):
        (line,) = [line for line in lines if name in line]
        assert line.startswith("ccnet: ")
    assert "2 restored, 3 failed" in lines[-1]
    assert b"Traceback" not in done.stderr
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert written == {".ccnet-manifest.jsonl", "good.png", "deep/also.jpg"}
    with Image.open(tmp_path / "out" / "good.png") as restored, Image.open(good) as hazy:
        assert restored.size == hazy.size
        assert np.abs(np.asarray(restored).astype(int) - np.asarray(hazy)).mean() > 1


@pytest.mark.slow
def test_standard_input_to_standard_output(weights: Path, tmp_path: Path) -> None:
    source = photograph(tmp_path / "a.png")
    piped = ccnet("restore", "-", "--model", weights, data=source.read_bytes())
    assert piped.returncode == 0, piped.stderr
    ccnet("restore", source, "--model", weights, "-o", tmp_path / "b.png")
    with Image.open(io.BytesIO(piped.stdout)) as one, Image.open(tmp_path / "b.png") as other:
        assert one.format == "PNG"
        assert np.array_equal(np.asarray(one), np.asarray(other))
    broken = ccnet("restore", "-", "--model", weights, data=b"no picture")
    assert (broken.returncode, broken.stdout) == (1, b"")
    assert broken.stderr.startswith(b"ccnet: Standard input is no ")


def hazy_photograph(path: Path) -> Path:
    """An even veil that leaves three tenths of the contrast."""
    hazy = np.asarray(Image.fromarray(data.astronaut()).resize((160, 128))) * 0.3 + 150
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(hazy.astype(np.uint8)).save(path)
    return path


@pytest.mark.slow
def test_what_is_wrong_is_recognised_where_nobody_says_it(tmp_path: Path) -> None:
    clear = photograph(tmp_path / "in" / "clear.jpg", (160, 128))
    hazy = hazy_photograph(tmp_path / "in" / "hazy.png")
    done = ccnet("restore", tmp_path / "in", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    told = done.stderr.decode().splitlines()
    assert told[:-1] == [
        f"{clear}: clear, not restored",
        f"{hazy}: haze, restored with dehaze-small",
    ]
    assert "1 restored, 1 clear" in told[-1]
    assert len(done.stdout.splitlines()) == 2
    assert (tmp_path / "out" / "clear.jpg").read_bytes() == clear.read_bytes()
    told_apart = ccnet("restore", hazy, "-o", tmp_path / "told.png", "--task", "dehaze")
    assert told_apart.returncode == 0
    assert (tmp_path / "told.png").read_bytes() == (tmp_path / "out" / "hazy.png").read_bytes()


def test_a_clear_picture_is_not_written_beside_itself(tmp_path: Path) -> None:
    clear = photograph(tmp_path / "clear.jpg", (160, 128))
    done = ccnet("restore", clear, "--task", "auto")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode().startswith(f"{clear}: clear, not restored")
    assert list(tmp_path.iterdir()) == [clear]


def test_a_clear_picture_goes_through_a_pipe_unchanged(tmp_path: Path) -> None:
    clear = photograph(tmp_path / "clear.jpg", (160, 128))
    for source in ("-", clear, "/dev/stdin"):
        piped = ccnet("restore", source, "-o", "-", data=clear.read_bytes())
        assert piped.stdout == clear.read_bytes()
        assert b"clear, not restored" in piped.stderr
    into = ccnet("restore", "-", "-o", tmp_path / "a.jpg", data=clear.read_bytes())
    assert into.stdout.decode().strip() == str(tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == clear.read_bytes()
    for name in ("new/b.jpg", "plain"):
        ccnet("restore", "-", "-o", tmp_path / name, data=clear.read_bytes())
        assert (tmp_path / name).read_bytes() == clear.read_bytes()
    other = ccnet("restore", "-", "--format", "png", data=clear.read_bytes())
    with Image.open(io.BytesIO(other.stdout)) as image:
        assert image.format == "PNG"


def test_where_nothing_can_be_written_is_told_before_restoring(
    weights: Path, tmp_path: Path
) -> None:
    source = photograph(tmp_path / "a.png")
    nowhere = source / "b.png"
    told = f"ccnet: {source} cannot be made: {source} is a file.\n"
    done = ccnet("restore", "-", "--model", weights, "-o", nowhere, data=source.read_bytes())
    assert (done.returncode, done.stderr.decode()) == (1, told)
    suffix = ccnet("restore", "-", "-o", tmp_path / "b.xyz", data=source.read_bytes())
    assert suffix.returncode == 1
    assert b"b.xyz cannot be written: .xyz is no suffix " in suffix.stderr
    assert len(suffix.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "stream"), [(["-", "-o", "b.png"], "input"), (["a.png", "-o", "-"], "output")]
)
def test_a_stream_that_is_closed_is_told(arguments: list[str], stream: str) -> None:
    code = "import sys; sys.stdin = sys.stdout = None; from ccnet.cli.main import run; run()"
    command = [sys.executable, "-c", code, "restore", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ccnet: Standard {stream} is a terminal or closed; ")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["a.png", "--task", "deblur", "--model", "dehaze"], 2, "--model dehaze is for dehaze"),
        (["a.png", "--task", "deblur", "--model", "desnow-large"], 2, "desnow-large is for desnow"),
        (["-", "-o", "new/"], 2, "new/ is a folder"),
        (["-", "-o", "folder"], 1, "folder is a folder; name a file in it."),
        (["-", "-o", "folder", "--overwrite"], 1, "folder is a folder; name a file in it."),
        (["a.mp4", "-o", "-"], 2, "a.mp4 is a video; name a file with --output."),
        (["-", "-o", "-", "--task", "dehaze"], 1, "Standard input is no "),
        (["a.png", "-o", "a.png"], 1, "(--overwrite)"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(
    tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    before = photograph(tmp_path / "a.png").read_bytes()
    (tmp_path / "folder").mkdir()
    given = b"no picture" if "dehaze" in arguments else before
    done = ccnet("restore", *arguments, data=given, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, b"")
    first = done.stderr.decode().splitlines()[0]
    assert told in first
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "folder"}
    assert (tmp_path / "a.png").read_bytes() == before


def test_pictures_that_are_not_read_are_counted(tmp_path: Path) -> None:
    clear = photograph(tmp_path / "in" / "clear.jpg", (160, 128))
    (tmp_path / "in" / "b.HEIC").write_bytes(b"apple")
    done = ccnet("restore", tmp_path / "in")
    assert done.returncode == 0
    assert "1 clear, 1 not read (.heic)" in done.stderr.decode().splitlines()[-1]
    assert {path.name for path in clear.parent.iterdir()} >= {"clear.jpg", "b.HEIC"}


def test_an_empty_name_is_not_the_current_folder(tmp_path: Path) -> None:
    photograph(tmp_path / "a.png")
    for arguments in ([""], ["a.png", "-o", ""], ["a.png", "--model", ""]):
        done = ccnet("restore", *arguments, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert b"empty name" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.slow
def test_nothing_is_overwritten_unless_asked(weights: Path, tmp_path: Path) -> None:
    source = photograph(tmp_path / "a.png")
    before = source.read_bytes()
    refused = ccnet("restore", source, "--model", weights, "-o", source)
    assert refused.returncode == 1
    assert b"is there already" in refused.stderr
    assert source.read_bytes() == before
    allowed = ccnet("restore", source, "--model", weights, "-o", source, "--overwrite")
    assert allowed.returncode == 0
    assert source.read_bytes() != before
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.slow
def test_format_and_strength(weights: Path, tmp_path: Path) -> None:
    source = photograph(tmp_path / "a.png")
    options = ("--format", "webp", "--strength", "0")
    done = ccnet("restore", "a.png", "--model", weights, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "a-restored.webp") as restored, Image.open(source) as hazy:
        assert np.array_equal(np.asarray(restored), np.asarray(hazy))


@pytest.mark.slow
def test_an_ensemble_is_the_mean_of_both_ways(weights: Path, tmp_path: Path) -> None:
    mirrored = np.asarray(Image.open(photograph(tmp_path / "a.png")))[:, ::-1]
    Image.fromarray(mirrored).save(tmp_path / "b.png")
    done = ccnet("restore", "a.png", "b.png", "--model", weights, "--ensemble", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"both ways" in done.stderr
    both = [np.asarray(Image.open(tmp_path / f"{name}-restored.png")).astype(int) for name in "ab"]
    assert np.abs(both[0] - both[1][:, ::-1]).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png", "--task", "derain"], "derain"),
        (["a.png", "--task", "auto", "--model", "dehaze-small"], "--model"),
        (["a.png", "--device", "cuda:99"], "cuda:99"),
        (["a.png", "--task", "dehaze", "--device", "cuda:99"], "cuda:99"),
        (["a.png", "--task", "dehaze", "--tile", "12"], "tile=12"),
        (["a.png", "--task", "dehaze", "--strength", "2"], "strength"),
        (["a.png", "-", "--task", "dehaze"], "one input"),
        (["-", "--task", "dehaze", "--json"], "--json"),
        (["a.png", "-o", "-", "--task", "dehaze", "--workers", "2"], "--workers"),
        (["a.png", "--task", "dehaze", "--device", "cpu", "--devices", "cpu,cpu"], "--devices"),
        ([], "INPUT"),
    ],
)
def test_wrong_usage_is_told_in_few_words(arguments: list[str], words: str, tmp_path: Path) -> None:
    photograph(tmp_path / "a.png")
    done = ccnet("restore", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_debug_shows_where_an_error_came_from(weights: Path, tmp_path: Path) -> None:
    photograph(tmp_path / "a.png")
    wrong = ("restore", tmp_path / "a.png", "--model", weights, "--tile", "1")
    assert b"Traceback" not in ccnet(*wrong).stderr
    assert b"Traceback" in ccnet(*wrong, "--debug").stderr


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys, ccnet, ccnet.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_restores_without_torch_and_says_with_what(tmp_path: Path) -> None:
    source = hazy_photograph(tmp_path / "a.png")
    code = (
        "import sys; sys.modules.update(torch=None, onnx=None);"
        "from ccnet.cli.main import run; run()"
    )
    for engine, name in (("auto", "OpenVINO"), ("onnxruntime", "ONNX Runtime")):
        target = tmp_path / f"{engine}.png"
        arguments = ("restore", source, "--task", "dehaze", "--engine", engine, "-o", target)
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr
        assert f" with {name} in " in done.stderr.splitlines()[-1]
    with_torch = ("restore", source, "--task", "dehaze", "--engine", "torch", "--precision")
    assert ccnet(*with_torch, "float32", "-o", tmp_path / "torch.png").returncode == 0
    with Image.open(tmp_path / "torch.png") as image:
        expected = np.asarray(image).astype(int)
    for engine, worst in (("auto", 8), ("onnxruntime", 1)):  # bfloat16 and float32
        with Image.open(tmp_path / f"{engine}.png") as image:
            assert np.abs(np.asarray(image) - expected).max() <= worst


def test_an_onnx_file_is_a_model_too(tmp_path: Path) -> None:
    source = photograph(tmp_path / "a.png")
    piped = ccnet("restore", "-", "--model", ONNX, data=source.read_bytes())
    assert piped.returncode == 0
    assert piped.stderr.startswith(b"restored with OpenVINO in ")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(ONNX.read_bytes()[:-1000])
    refused = ccnet("restore", source, "--model", broken)
    assert refused.returncode == 1
    assert b"broken.onnx is cut short" in refused.stderr
    assert b"Traceback" not in refused.stderr


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_an_unexpected_error_is_told_in_a_line_and_with_debug_where_it_came_from(
    weights: Path, tmp_path: Path, debug: tuple[str, ...]
) -> None:
    for name in ("a.png", "b.png"):
        photograph(tmp_path / "in" / name)
    code = """
import ccnet.images

read = ccnet.images.read_picture

def broken(path):
    return 1 / 0 if path.name == "a.png" else read(path)

ccnet.images.read_picture = broken
from ccnet.cli.main import run; run()
"""
    arguments = ["restore", "in", "-o", "out", "--model", str(weights), *debug]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stdout == f"{Path('out', 'b.png')}\n"
    told, *others, summary = done.stderr.splitlines()
    assert told.startswith("ccnet: in/a.png: There was an unexpected error, ZeroDivisionError: ")
    assert "1 restored, 1 failed" in summary
    assert [line for line in others if "in broken" in line] == others[-2:-1] * len(debug)


@pytest.mark.slow
def test_json_tells_each_file_and_stop_begins_no_more(weights: Path, tmp_path: Path) -> None:
    for index in range(6):
        photograph(tmp_path / "in" / f"{index}.png")
    (tmp_path / "in" / "0\n.png").write_text("no picture")
    options = ("--model", weights, "--json", "--on-error", "stop")
    done = ccnet("restore", "in", "-o", "out", *options, cwd=tmp_path)
    assert done.returncode == 1
    first, *others = map(json.loads, done.stdout.splitlines())
    assert (first["source"], first["status"], first["result"]) == ("in/0\n.png", "failed", None)
    assert "0\n.png is no JPEG" in first["error"]
    assert len(others) < 6
    assert all(other["status"] == "restored" for other in others)
    assert f", {6 - len(others)} not begun" in done.stderr.decode().splitlines()[-1]
    again = ccnet("restore", "in", "-o", "out", *options[:3], cwd=tmp_path)
    told = {line["source"]: line for line in map(json.loads, again.stdout.splitlines())}
    assert len(told) == 7
    for other in others:
        assert told[other["source"]]["status"] == "done before"
        assert told[other["source"]]["result"] == other["result"]
    assert told["in/5.png"] | {"seconds": 0} == {
        "source": "in/5.png",
        "result": "out/5.png",
        "status": "restored",
        "error": None,
        "missing": None,
        "notes": [],
        "kind": None,
        "model": None,
        "megapixels": 0.0024,
        "seconds": 0,
    }

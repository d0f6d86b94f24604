"""What needs no torch neither asks for it nor imports it; what does, says how to get it."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

HEAVY = (
    *("torch", "lightning", "torchmetrics", "tensorboard", "skimage", "scipy"),
    *("onnx", "onnxruntime", "huggingface_hub", "fastapi", "gradio"),
)
"""What comes with extras and takes long to import."""

BLOCKED = f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))\n"

COMMAND = "from ccnet.cli.main import run; run()"

SHOW_LOADED = f"""
import atexit, sys
atexit.register(lambda: print("loaded", *sys.modules.keys() & {set(HEAVY)}, file=sys.stderr))
"""

RECOGNISE = """
import sys
from ccnet.images import read_picture
from ccnet.recognition.recogniser import shipped_recogniser
from ccnet.recognition.views import views_of_picture
print(shipped_recogniser().recognise(views_of_picture(read_picture(sys.argv[1]))))
"""

RESTORE = "import sys, ccnet; print(ccnet.restore(*sys.argv[1:]).shape)"

PHOTOGRAPH = str(files("ccnet.training") / "quickstart" / "cove.jpg")


def run(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize(
    ("code", "arguments", "told"),
    [
        (COMMAND, ["--help"], "restore"),
        (COMMAND, ["restore", "--help"], "--task"),
        (COMMAND, ["serve", "--help"], "--port"),
        (COMMAND, ["train", "--help"], "recipe"),
        (COMMAND, ["models"], "dehaze-small"),
        (COMMAND, ["models", "dehaze"], "# dehaze-small"),
        (COMMAND, ["models", "dehaze", "--fetch"], "dehaze-small.safetensors"),
        (COMMAND, ["data", "list"], "gopro"),
        (RECOGNISE, [PHOTOGRAPH], "clear"),
        (RESTORE, [PHOTOGRAPH], ", 3)"),
        (RESTORE, [PHOTOGRAPH, "dehaze"], ", 3)"),
    ],
)
def test_what_needs_no_extra_works_without_any_and_imports_none(
    code: str, arguments: list[str], told: str, tmp_path: Path
) -> None:
    without = run(BLOCKED + code, *arguments, cwd=tmp_path)
    assert (without.returncode, without.stderr) == (0, "")
    assert told in without.stdout
    with_all = run(SHOW_LOADED + code, *arguments, cwd=tmp_path)
    assert with_all.stdout == without.stdout
    assert with_all.stderr == "loaded\n"


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "quickstart"], "train"),
        (["evaluate", "dehaze", "folders", "a", "b"], "evaluate"),
        (["benchmark", "quality", "."], "evaluate"),
        (["export", "dehaze", "--format", "onnx", "-o", "a.onnx"], "export"),
        (["serve", "--port", "0"], "serve"),
        (["degrade", PHOTOGRAPH, "--kind", "haze", "-o", "a.jpg"], "torch"),
        (["convert", "dehaze", "-o", "a.safetensors"], "torch"),
        (["restore", PHOTOGRAPH, "--device", "cuda", "-o", "a.jpg"], "torch"),
        (["restore", PHOTOGRAPH, "--engine", "onnxruntime", "-o", "a.jpg"], "onnxruntime"),
        (["models", "hf:someone/ccnet/a.safetensors"], "hub"),
    ],
)
def test_a_command_without_its_extra_names_it_in_one_line(
    arguments: list[str], extra: str, tmp_path: Path
) -> None:
    done = run(BLOCKED + COMMAND, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert told.startswith("ccnet: ")
    assert told.endswith(f': pip install "ccnet-restore[{extra}]"')
    assert list(tmp_path.iterdir()) == []

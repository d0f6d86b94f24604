"""Runs on pairs from disk: how steps are shared out, what stops a run, and going on."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor

from ccnet.errors import CCNetError, DatasetError, PictureError, UsageError, WeightsError
from ccnet.network import CCNet
from ccnet.training.data import PairsOnDisk, find_pictures
from ccnet.training.module import RestorationModule
from ccnet.training.run import train_recipe
from ccnet.weights.files import read_network, save_model

from .conftest import OnPairs, assert_same_state, pair_overrides

COMMAND = (sys.executable, "-c", "from ccnet.cli.main import run; run()", "train", "dehaze-indoor")


@pytest.fixture(scope="module")
def whole_run(on_pairs: OnPairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole") / "run"
    train_recipe(on_pairs(output))
    return output


def metadata_of(weights: Path) -> dict[str, str]:
    with safe_open(weights, "pt") as file:
        metadata: dict[str, str] = file.metadata()
    return metadata


@pytest.mark.slow
def test_learns_from_pairs(on_pairs: OnPairs, tmp_path: Path) -> None:
    recipe = on_pairs(tmp_path, "steps=60", "validate_every=60", "rate=1e-2", "clip=10")
    scores = metadata_of(train_recipe(recipe))
    assert float(scores["validation/psnr"]) > float(scores["validation/input_psnr"]) + 3
    assert scores["data"] == "7 pairs to train on, 1 to validate, folders"


def test_shows_pictures_before_and_after(whole_run: Path, pairs: Path) -> None:
    sheet = np.asarray(Image.open(whole_run / "validation.png"))
    # One pair of eight is held out: degraded, restored and clean side by side.
    assert sheet.shape == (32, 96, 3)
    degraded, restored, clean = np.split(sheet, 3, axis=1)
    known = [np.asarray(Image.open(pairs / "clear" / f"{n}.png"))[4:36, 8:40] for n in range(8)]
    assert any(np.array_equal(clean, picture) for picture in known)
    np.testing.assert_array_equal(degraded, clean // 2)
    network = read_network(whole_run / "weights.safetensors")
    batch = torch.from_numpy(degraded.copy()).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = network(batch)[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    assert np.abs(expected - restored).max() < 0.51
    curves = EventAccumulator(str(whole_run / "log")).Reload()
    assert [event.step for event in curves.Images("validation")] == [3, 6]
    assert (curves.Images("validation")[0].height, curves.Images("validation")[0].width) == (32, 96)


@pytest.mark.slow
@pytest.mark.parametrize("passes", [2, 4])
def test_passes_that_share_a_step_give_what_one_pass_gives(
    on_pairs: OnPairs, tmp_path: Path, passes: int
) -> None:
    train_recipe(on_pairs(tmp_path / "one", "batch=4"))
    train_recipe(on_pairs(tmp_path / "many", "batch=4", f"accumulate={passes}"))
    # Adam divides by the gradient's size, so that a sum's last bits show up to the rate itself.
    assert_same_state(tmp_path / "many", tmp_path / "one", tolerance=2e-3)
    ours, expected = (metadata_of(tmp_path / n / "weights.safetensors") for n in ("many", "one"))
    assert float(ours["validation/psnr"]) == pytest.approx(float(expected["validation/psnr"]), 1e-3)


@pytest.mark.slow
def test_other_processes_decode_the_same_batches(
    whole_run: Path, on_pairs: OnPairs, tmp_path: Path
) -> None:
    train_recipe(on_pairs(tmp_path / "run", "workers=2"))
    assert_same_state(tmp_path / "run", whole_run)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Makes sums here go in the order in which processes of one thread each have them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_two_processes_give_what_one_gives(
    on_pairs: OnPairs, pairs: Path, tmp_path: Path, launcher: str
) -> None:
    train_recipe(on_pairs(tmp_path / "one", "batch=4", "accumulate=2"))
    # Lightning starts the others as this one was started, so it has to be by a file.
    script = tmp_path / "train.py"
    script.write_text("from ccnet.cli.main import run\nrun()\n")
    arguments = ["train", "dehaze-indoor", *pair_overrides(pairs, tmp_path / "two", "batch=4")]
    command = {
        "lightning": [str(script), *arguments, "devices=2"],
        "torchrun": [
            *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *(str(script), *arguments),
        ],
    }[launcher]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "two" / "weights.safetensors")]
    assert_same_state(tmp_path / "two", tmp_path / "one", tolerance=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 3, 4])
def test_stopped_between_passes_and_resumed_is_bit_for_bit_the_whole_run(
    on_pairs: OnPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    train_recipe(on_pairs(tmp_path / "whole", "accumulate=2"))
    pair = RestorationModule._pair

    def interrupted(self: RestorationModule, batch: object) -> object:
        if self.global_step == step - 1 and batch.part % 2 == 0:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)
        return pair(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(RestorationModule, "_pair", interrupted)
    with pytest.raises(CCNetError, match=f"after step {step};"):
        train_recipe(on_pairs(tmp_path / "run", "accumulate=2"))
    monkeypatch.undo()
    train_recipe(on_pairs(tmp_path / "run", "accumulate=2"), resume=True)
    assert_same_state(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_is_bit_for_bit_the_whole_run(
    on_pairs: OnPairs, pairs: Path, tmp_path: Path, number: signal.Signals
) -> None:
    train_recipe(on_pairs(tmp_path / "whole", "steps=18"))
    overrides = pair_overrides(pairs, tmp_path / "run", "steps=18", "workers=1")
    process = subprocess.Popen(
        [*COMMAND, *overrides], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (tmp_path / "run" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, number)  # as a terminal does, to the decoding process, too
    said = process.communicate()[1]
    assert "Traceback" not in said
    assert ("go on from" in said) == (number == signal.SIGINT)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] < 18
    train_recipe(on_pairs(tmp_path / "run", "steps=18"), resume=True)
    assert_same_state(tmp_path / "run", tmp_path / "whole")


def test_a_picture_that_cannot_be_read_stops_with_its_name_and_loses_nothing(
    whole_run: Path, on_pairs: OnPairs, pairs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pairs"
    shutil.copytree(pairs, folder)
    # All but the one held out, which is read when the run begins.
    train_recipe(on_pairs(tmp_path / "first", "steps=1", "validate_every=1", folder=folder))
    spoilt = sorted((folder / "hazy").iterdir())
    contents = {path: path.read_bytes() for path in spoilt}
    recipe = on_pairs(tmp_path / "run", "check=false", folder=folder)
    for path in spoilt[3:6]:
        path.write_bytes(contents[path][:500])
    with pytest.raises(PictureError, match=r"hazy/[345]\.png"):
        train_recipe(recipe)
    for path in spoilt[3:6]:
        path.write_bytes(contents[path])
    train_recipe(recipe, resume=True)
    assert_same_state(tmp_path / "run", whole_run)


def test_a_picture_that_cannot_be_validated_on_leaves_no_validation_out(
    whole_run: Path,
    on_pairs: OnPairs,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "pairs"
    shutil.copytree(pairs, folder)
    recipe = on_pairs(tmp_path / "run", "check=false", folder=folder)
    pictures = find_pictures(recipe)
    assert isinstance(pictures, PairsOnDisk)
    (held_out,) = pictures.validation
    content = held_out.degraded.read_bytes()
    step = RestorationModule.training_step

    def spoil_at_the_last(module: RestorationModule, *arguments: Any) -> Tensor:
        if module.global_step == 5:
            held_out.degraded.write_bytes(content[:500])
        return step(module, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(RestorationModule, "training_step", spoil_at_the_last)
        with pytest.raises(PictureError, match=held_out.degraded.name):
            train_recipe(recipe)
    held_out.degraded.write_bytes(content)
    weights = train_recipe(recipe, resume=True)
    assert_same_state(tmp_path / "run", whole_run)
    assert metadata_of(weights)["step"] == "6"


def test_all_pictures_that_cannot_be_trained_on_are_named_before_the_first_step(
    on_pairs: OnPairs, pairs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pairs"
    shutil.copytree(pairs, folder)
    (folder / "hazy" / "2.png").write_bytes((folder / "hazy" / "2.png").read_bytes()[:500])
    (folder / "clear" / "4.png").write_text("no picture")
    Image.new("RGB", (47, 40)).save(folder / "hazy" / "6.png")
    with pytest.raises(DatasetError) as error:
        train_recipe(on_pairs(tmp_path / "run", folder=folder))
    assert str(error.value).startswith("3 pictures cannot be trained on;")
    named = ("hazy/2.png", "hazy/6.png", "clear/4.png")
    for name, problem in zip(named, error.value.problems, strict=True):
        assert f"{folder / name} " in problem
    assert not (tmp_path / "run" / "last.ckpt").exists()


@pytest.fixture
def small_files() -> Iterator[None]:
    """Lets no file grow beyond 100 kB, as a disk that is nearly full."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    on_pairs: OnPairs, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    train_recipe(on_pairs(tmp_path / "run", "steps=3"))
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    content = (tmp_path / "run" / "last.ckpt").read_bytes()
    assert len(content) > 100_000
    request.getfixturevalue("small_files")
    with pytest.raises(WeightsError, match=r"\w+\.ckpt cannot be written: file too large"):
        train_recipe(on_pairs(tmp_path / "run"), resume=True)
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == content
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before


def test_a_log_that_cannot_be_written_stops_with_a_sentence(
    on_pairs: OnPairs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    train_recipe(on_pairs(tmp_path / "run", "steps=3"))
    monkeypatch.setattr(RecordWriter, "write", fail)
    with pytest.raises(CCNetError, match=r"log in .*run cannot be written: no space left"):
        train_recipe(on_pairs(tmp_path / "run"), resume=True)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("length", [0, 100, 100_000])
def test_a_damaged_checkpoint_is_told_in_a_sentence(
    whole_run: Path, on_pairs: OnPairs, tmp_path: Path, length: int
) -> None:
    shutil.copytree(whole_run, tmp_path / "run")
    path = tmp_path / "run" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match=r"last\.ckpt is damaged.* move best\.ckpt"):
        train_recipe(on_pairs(tmp_path / "run"), resume=True)


def test_starts_from_weights(on_pairs: OnPairs, tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = CCNet(4, 1, block="residual")
    save_model(network, tmp_path / "start.safetensors", {})
    start = f"start={tmp_path / 'start.safetensors'}"
    recipe = on_pairs(tmp_path / "run", "network=null", start, "steps=1", "rate=1e-6")
    trained = read_network(train_recipe(recipe)).state_dict()
    torch.testing.assert_close(trained, network.state_dict(), rtol=0, atol=2e-6)
    assert any(not torch.equal(trained[name], network.state_dict()[name]) for name in trained)
    with pytest.raises(UsageError, match=r"start=.* is another network, .*width=4"):
        train_recipe(on_pairs(tmp_path / "other", start))
    with pytest.raises(WeightsError, match="missing"):
        train_recipe(on_pairs(tmp_path / "other", "start=missing", "network=null"))


def test_goes_on_where_the_weights_it_started_from_are_gone(
    on_pairs: OnPairs, tmp_path: Path
) -> None:
    start = tmp_path / "start.safetensors"
    save_model(CCNet(4, 1, block="residual"), start, {})
    recipe = on_pairs(tmp_path / "run", "network=null", f"start={start}", "steps=1")
    train_recipe(recipe)
    start.unlink()
    weights = train_recipe(dataclasses.replace(recipe, steps=2), resume=True)
    assert metadata_of(weights)["step"] == "2"
    assert read_network(weights).width == 4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["batch=3", "accumulate=2"], "batch=3 cannot be shared by 1 processes in 2 passes"),
        (["batch=4", "devices=3"], "batch=4 cannot be shared by 3 processes"),
        (["devices=2", "minutes=1"], "minutes= needs a single process"),
        (["precision=16-mixed"], "precision=16-mixed needs a CUDA device"),
    ],
)
def test_what_cannot_be_is_refused(
    on_pairs: OnPairs, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train_recipe(on_pairs(tmp_path / "run", *overrides))
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_a_run_is_resumed_with_the_passes_it_began_with(whole_run: Path, on_pairs: OnPairs) -> None:
    with pytest.raises(UsageError, match="holds a run with accumulate=1; resume with the same"):
        train_recipe(on_pairs(whole_run, "accumulate=2"), resume=True)

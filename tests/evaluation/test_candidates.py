"""What can be measured, from a name or a file, and what cannot."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from ccnet.errors import CCNetError, PictureError, UsageError, WeightsError
from ccnet.evaluation.candidates import Candidate, Pixels, open_candidates
from ccnet.network import CCNet
from ccnet.weights.files import save_checkpoint


def opened(*models: str | Path, device: str = "cpu") -> list[Candidate]:
    names = [str(model) for model in models]
    return open_candidates(names, device=device, precision="auto", tile="auto")


def restored(candidate: Candidate, picture: Pixels) -> Pixels:
    return candidate.restore(picture, lambda share: None)  # noqa: ARG005


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).random((height, width, 3), np.float32)


def test_baselines_and_models_by_name() -> None:
    identity, dark_channel, model = opened("identity", "dark-channel", "dehaze")
    assert (identity.parameters, identity.macs, identity.sha256) == (0, 0, None)
    assert (dark_channel.parameters, dark_channel.macs) == (0, None)
    assert model.parameters == 461_401
    picture = noise(9, 12)
    assert np.array_equal(restored(identity, picture), picture)


def test_a_model_named_twice_is_measured_once(weights: Path) -> None:
    assert [candidate.name for candidate in opened("identity", weights, "identity")] == [
        "identity",
        "tiny.safetensors",
    ]


def test_files_of_the_same_name_are_told_apart_by_their_folders(
    weights: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / weights.name
    other.parent.mkdir()
    other.write_bytes(weights.read_bytes())
    first, second = opened(weights, other)
    assert (first.name, second.name) == (str(weights), str(other))
    assert first.sha256 == second.sha256


def test_the_weights_of_a_run_are_called_by_its_folder(weights: Path, tmp_path: Path) -> None:
    run = tmp_path / "dehaze-0.5"
    run.mkdir()
    weights.rename(run / "weights.safetensors")
    assert opened(run / "weights.safetensors")[0].name == "dehaze-0.5/weights.safetensors"


def test_a_published_checkpoint_is_the_same_model(
    network: CCNet, weights: Path, tmp_path: Path
) -> None:
    save_checkpoint(network, tmp_path / "published.pkl")
    first, second = opened(weights, tmp_path / "published.pkl")
    picture = noise(30, 40)
    assert np.array_equal(restored(first, picture), restored(second, picture))
    assert first.parameters == second.parameters
    assert first.macs == second.macs


class Halving(nn.Module):
    """Gives two scales, the smaller first, and takes sides that are multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 12, 8, stride=8)
        self.up = nn.ConvTranspose2d(12, 3, 8, stride=8)

    def forward(self, batch: Tensor) -> list[Tensor]:
        full = self.up(self.down(batch))
        return [full[:, :, ::2, ::2], full]


def save_script(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(path)  # type: ignore[no-untyped-call]
    return path


@pytest.mark.parametrize(("height", "width"), [(16, 24), (13, 30), (3, 5)])
def test_torchscript_takes_any_size_and_its_last_full_output_counts(
    height: int, width: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = Halving().eval()
    (candidate,) = opened(save_script(module, tmp_path / "halving.pt"))
    picture = noise(height, width)
    padded = np.pad(picture, ((0, -height % 8), (0, -width % 8), (0, 0)), "reflect")
    with torch.no_grad():
        full = module(torch.from_numpy(padded).permute(2, 0, 1)[None])[1]
    expected = full[0].permute(1, 2, 0).numpy()[:height, :width].clip(0, 1)
    assert np.allclose(restored(candidate, picture), expected, atol=1e-6)
    assert candidate.parameters == sum(parameter.numel() for parameter in module.parameters())


def test_a_torchscript_program_under_the_name_of_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path = save_script(Halving(), tmp_path / "weights.pkl")
    with pytest.raises(WeightsError, match=r"rename it to weights\.pt"):
        opened(path)


class Shrinking(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        return batch[:, :, 1:, 1:]


class Undefined(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        return batch / 0 * 0


def test_torchscript_that_is_no_restoration(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no output has the input's size"):
        opened(save_script(Shrinking(), tmp_path / "shrinking.pt"))
    (candidate,) = opened(save_script(Undefined(), tmp_path / "undefined.pt"))
    with pytest.raises(WeightsError, match="not finite"):
        restored(candidate, noise(4, 4))


class Asserting(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        assert batch.shape[2] % 8 == 0, "sides must be multiples of 8"
        return batch * 0.5


class Refusing(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        assert batch.shape[2] < 8
        return batch


class Spoilt(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        return batch

    @torch.jit.export
    def __getstate__(self) -> bool:
        return self.training

    @torch.jit.export
    def __setstate__(self, training: bool) -> None:
        assert not training, "weights are missing"
        self.training = training


def test_torchscript_that_asserts(tmp_path: Path) -> None:
    (candidate,) = opened(save_script(Asserting(), tmp_path / "asserting.pt"))
    picture = noise(13, 30)
    assert np.allclose(restored(candidate, picture), picture / 2)
    with pytest.raises(WeightsError, match=r"tried: RuntimeError: AssertionError\.$"):
        opened(save_script(Refusing(), tmp_path / "refusing.pt"))
    with pytest.raises(WeightsError, match=r"cannot be loaded .*: weights are missing\."):
        opened(save_script(Spoilt(), tmp_path / "spoilt.pt"))


def save_onnx(
    path: Path, sides: Sequence[int | str], kind: int = TensorProto.FLOAT, step: int = 1
) -> Path:
    """Write a network that halves every level, and whose pooling needs multiples of `step`."""
    shape = [1, 3, *sides]
    nodes = [
        helper.make_node("SpaceToDepth", ["picture"], ["deep"], blocksize=step),
        helper.make_node("DepthToSpace", ["deep"], ["same"], blocksize=step),
        helper.make_node("Mul", ["same", "half"], ["restored"]),
    ]
    graph = helper.make_graph(
        nodes,
        "halve",
        [helper.make_tensor_value_info("picture", kind, shape)],
        [helper.make_tensor_value_info("restored", kind, shape)],
        [helper.make_tensor("half", kind, [], [0.5])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("step", [1, 4, 32])
def test_onnx_takes_any_size(step: int, tmp_path: Path) -> None:
    (candidate,) = opened(save_onnx(tmp_path / "a.onnx", ("height", "width"), step=step))
    for height, width in ((1, 1), (33, 50), (64, 32)):
        picture = noise(height, width)
        assert np.allclose(restored(candidate, picture), picture / 2, atol=1e-6)
    assert candidate.parameters is None


def test_onnx_of_one_size_takes_what_fits_into_it(tmp_path: Path) -> None:
    (candidate,) = opened(save_onnx(tmp_path / "a.onnx", (48, 64)))
    picture = noise(20, 64)
    assert np.allclose(restored(candidate, picture), picture / 2, atol=1e-6)
    with pytest.raises(PictureError, match="64 by 48 pixels, and this one is 65 by 20"):
        restored(candidate, noise(20, 65))


def test_onnx_that_takes_other_numbers(tmp_path: Path) -> None:
    path = save_onnx(tmp_path / "a.onnx", ("height", "width"), TensorProto.DOUBLE)
    with pytest.raises(WeightsError, match="at no size tried"):
        opened(path)


def test_onnx_of_one_width_says_what_it_takes(tmp_path: Path) -> None:
    path = save_onnx(tmp_path / "a.onnx", ("height", 32))
    with pytest.raises(WeightsError, match=r"invalid dimensions .* index: 3 .*Expected: 32\.$"):
        opened(path)


@pytest.mark.parametrize("content", [b"", b"no network", b"PK\x03\x04", b"\x08\x08\x12"])
@pytest.mark.parametrize("name", ["a.onnx", "a.pt", "a.pkl", "a.safetensors"])
def test_broken_files_are_told_in_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.99])
def test_cut_networks_are_told(cut: float, tmp_path: Path) -> None:
    for path in (
        save_script(Halving(), tmp_path / "a.pt"),
        save_onnx(tmp_path / "a.onnx", ("height", "width")),
    ):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * cut)])
        with pytest.raises(WeightsError):
            opened(path)


@pytest.mark.parametrize(
    "model",
    ["no-such-model", "no-such.onnx", "no-such.pt", "no/such", "no-such" * 50 + ".safetensors"],
)
def test_missing_models_are_told(model: str) -> None:
    with pytest.raises(CCNetError, match=r"no-such|no/such"):
        opened(model)


def test_a_device_that_is_not_there(weights: Path) -> None:
    with pytest.raises(UsageError, match="cuda:99"):
        opened(weights, device="cuda:99")

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ccnet.errors import WeightsError
from ccnet.network import CCNet
from ccnet.weights import catalogue, find_model, list_models, load_network, registry
from ccnet.weights.files import read_network, save_checkpoint, save_model
from ccnet.weights.hub import HubFile, parse_hub_name, sha256
from ccnet.weights.registry import DEFAULTS, MODELS, find_onnx, find_weights, read_card


@pytest.fixture
def two_models(
    tiny_network: CCNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, CCNet]:
    """Stand in for the models that ship: tiny ones, of which `dehaze-two` is the default."""
    networks = {"dehaze-one": CCNet(width=4, modules=1), "dehaze-two": tiny_network}
    for name, network in networks.items():
        facts = {"task": "dehaze", "licence": "MIT", "description": f"{name} for tests"}
        save_model(network, tmp_path / f"{name}.safetensors", facts)
        (tmp_path / f"{name}.md").write_text(f"# Card of {name}")
    (tmp_path / "catalogue.json").write_text("{}")
    monkeypatch.setattr(registry, "MODELS", tmp_path)
    monkeypatch.setattr(registry, "DEFAULTS", {"dehaze": "dehaze-two"})
    return networks


@pytest.mark.usefixtures("two_models")
def test_lists_models_by_name_with_their_cards(tmp_path: Path) -> None:
    listed = list_models()
    assert [model.name for model in listed] == ["dehaze-one", "dehaze-two"]
    assert listed[1].file == tmp_path / "dehaze-two.safetensors"
    assert read_card(listed[1]) == "# Card of dehaze-two"


@pytest.mark.usefixtures("two_models")
def test_a_model_of_the_catalogue_is_listed_and_fetched(
    tiny_network: CCNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "cache" / "large.safetensors"
    fetched.parent.mkdir()
    save_model(tiny_network, fetched, {"task": "dehaze", "licence": "MIT"})
    file = f"hf:someone/ccnet@{'ab' * 20}/large.safetensors"
    monkeypatch.setattr(catalogue, "fetch", lambda _: fetched)
    catalogue.add_entry(tmp_path / "catalogue.json", "dehaze-large", file)

    wanted: list[HubFile] = []

    def fetch(file: HubFile) -> Path:
        wanted.append(file)
        return fetched

    monkeypatch.setattr(registry, "fetch", fetch)
    assert [model.name for model in list_models()] == ["dehaze-large", "dehaze-one", "dehaze-two"]
    assert find_model("dehaze-large").licence == "MIT"
    assert wanted == [], "listing fetches nothing"
    assert load_network("dehaze-large").width == tiny_network.width
    assert wanted == [replace(parse_hub_name(file), sha256=sha256(fetched))]


def test_loads_by_name_task_and_path(two_models: dict[str, CCNet], tmp_path: Path) -> None:
    checkpoint = tmp_path / "published.PKL"
    save_checkpoint(two_models["dehaze-one"], checkpoint)
    for given, name in (
        ("dehaze-one", "dehaze-one"),
        ("dehaze-two", "dehaze-two"),
        ("dehaze", "dehaze-two"),
        (str(tmp_path / "dehaze-one.safetensors"), "dehaze-one"),
        (tmp_path / "dehaze-two.safetensors", "dehaze-two"),
        (checkpoint, "dehaze-one"),
        (str(checkpoint), "dehaze-one"),
    ):
        network = load_network(given)
        assert not network.training
        for tensor, expected in zip(
            network.state_dict().values(), two_models[name].state_dict().values(), strict=True
        ):
            assert torch.equal(tensor, expected)


def test_a_name_is_a_path_by_its_suffix_or_folder() -> None:
    for path in ("x.safetensors", "x.PTH", "folder/x", "./x", Path("dehaze")):
        assert find_weights(path) == Path(path)


@pytest.mark.usefixtures("two_models")
def test_onnx_is_found_beside_a_models_weights_or_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    beside = tmp_path / "dehaze-two.onnx"
    beside.touch()
    assert find_onnx("dehaze") == find_onnx("dehaze-two") == beside
    for path in ("mine.onnx", "./mine.ONNX", Path("mine.onnx")):
        assert find_onnx(path) == Path(path)
    for path in (Path("mine.safetensors"), Path("dehaze")):
        with pytest.raises(WeightsError, match=f"{path} is not there"):
            find_onnx(path)
        path.touch()
    for name in ("dehaze-one", "mine.safetensors", "hf:someone/ccnet", Path("dehaze")):
        with pytest.raises(WeightsError, match=f"{re.escape(str(name))} comes without ONNX"):
            find_onnx(name)
    with pytest.raises(WeightsError, match="No model or task is called 'desnow'"):
        find_onnx("desnow")


def test_any_file_that_is_there_is_found_but_a_model_comes_first(
    two_models: dict[str, CCNet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(two_models["dehaze-one"], tmp_path / "weights.bin")
    assert find_weights("weights.bin") == Path("weights.bin")
    assert load_network("weights.bin").width == 4
    (tmp_path / "dehaze").write_text("mine")
    assert find_weights("dehaze") == tmp_path / "dehaze-two.safetensors"
    (tmp_path / "folder").mkdir()
    with pytest.raises(WeightsError, match="No model or task is called 'folder'"):
        find_weights("folder")


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize("name", ["x" * 300, "\0"])
def test_a_name_that_no_file_can_have_is_an_unknown_one(name: str) -> None:
    with pytest.raises(WeightsError, match="No model or task is called"):
        find_weights(name)


@pytest.mark.usefixtures("two_models")
@pytest.mark.parametrize(
    ("name", "hint"),
    [("dehaze-on", " (did you mean dehaze-one?)"), ("dehase", " (did you mean dehaze?)"), ("", "")],
)
def test_an_unknown_name_is_met_with_the_nearest_and_the_list(name: str, hint: str) -> None:
    expected = (
        f"No model or task is called {name!r}{hint}; there are dehaze, dehaze-one, dehaze-two"
    )
    with pytest.raises(WeightsError, match=re.escape(expected)):
        load_network(name)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"missing\.pth is not there"):
        load_network(tmp_path / "missing.pth")


def test_listing_and_finding_need_neither_torch_nor_the_hub() -> None:
    code = (
        "import sys; sys.modules.update(torch=None, huggingface_hub=None); import ccnet.weights; "
        "from ccnet.weights.registry import find_weights, read_card; "
        "known = ccnet.weights.list_models(); print(len(known), find_weights('dehaze').stem); "
        "assert [read_card(ccnet.weights.find_model(model.name)) for model in known]"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == f"{len(list_models())} {DEFAULTS['dehaze']}\n"


def test_each_task_has_a_default_among_the_models_that_ship() -> None:
    assert DEFAULTS
    for task, name in DEFAULTS.items():
        assert find_model(task) == find_model(name)
        assert find_model(name).task == task


def shipped() -> list[str]:
    return [model.name for model in list_models()]


@pytest.mark.parametrize("name", shipped())
def test_every_model_says_all_of_itself(name: str) -> None:
    model = find_model(name)
    assert [field for field, value in vars(model).items() if value is None] == []
    assert model.task in DEFAULTS
    card = read_card(model)
    for fact in (model.name, f"{model.parameters:,}", f"{model.psnr:.2f} dB", model.licence):
        assert str(fact) in card
    assert "@" not in card, "a placeholder is left"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_what_ships_is_whole(path: Path) -> None:
    model, network = find_model(path.stem), read_network(path)
    assert model.file == path, "another model has its name"
    assert (network.width, network.modules_per_stage) == (model.width, model.modules)
    assert sum(parameter.numel() for parameter in network.parameters()) == model.parameters

"""Entries for models outside, made from files on a Hub and read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccnet.errors import WeightsError
from ccnet.network import CCNet
from ccnet.weights import catalogue
from ccnet.weights.catalogue import add_entry, read_catalogue
from ccnet.weights.files import save_model
from ccnet.weights.hub import HubFile, sha256
from ccnet.weights.model import PSNR, read_model

COMMIT = "ab" * 20
FILE = f"hf:someone/ccnet@{COMMIT}/large/dehaze.safetensors"


@pytest.fixture
def fetched(tiny_network: CCNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that every name on the Hub means here."""
    path = tmp_path / "fetched.safetensors"
    save_model(tiny_network, path, {"task": "dehaze", PSNR: "23.4", "data": "photographs, ünder"})
    monkeypatch.setattr(catalogue, "fetch", lambda _: path)
    return path


@pytest.fixture
def entries(fetched: Path, tmp_path: Path) -> dict[str, Any]:
    assert fetched.exists()
    add_entry(tmp_path / "catalogue.json", "dehaze-large", FILE)
    entries: dict[str, Any] = json.loads((tmp_path / "catalogue.json").read_text("utf-8"))
    return entries


@pytest.fixture
def read(tmp_path: Path) -> Callable[[object], list[object]]:
    """Reads what is given as a catalogue."""

    def read(content: object) -> list[object]:
        path = tmp_path / "read.json"
        path.write_text(json.dumps(content))
        return [*read_catalogue(path)]

    return read


def test_an_entry_says_what_the_file_says(fetched: Path, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    add_entry(path, "dehaze-large", FILE)
    add_entry(path, "another", FILE)
    add_entry(path, "another", FILE)
    by_name = {model.name: model for model in read_catalogue(path)}
    assert list(by_name) == ["another", "dehaze-large"]
    where = HubFile("someone/ccnet", "large/dehaze.safetensors", COMMIT, sha256(fetched))
    expected = replace(read_model(fetched, "dehaze-large"), file=where)
    assert by_name["dehaze-large"] == expected
    assert by_name["another"] == replace(expected, name="another")


def test_a_branch_is_not_catalogued(fetched: Path, tmp_path: Path) -> None:
    assert fetched.exists()
    with pytest.raises(WeightsError, match="revision is 'main', not the 40 digits of a commit"):
        add_entry(tmp_path / "catalogue.json", "x", "hf:someone/ccnet/large/dehaze.safetensors")
    assert not (tmp_path / "catalogue.json").exists()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("revision", "main", "its revision is 'main', not the 40 digits of a commit"),
        ("sha256", "12", "its sha256 is '12', not 64 hexadecimal digits"),
        ("sha256", None, "its sha256 is None"),
        ("repository", "nobody", "is no .safetensors on the Hub"),
        ("file", "../x.safetensors", "is no .safetensors on the Hub"),
        ("file", "x.pkl", "is no .safetensors on the Hub"),
        ("size", "1", "its size is '1'"),
        ("parameters", True, "its parameters is True"),
        ("metadata", {"task": 1}, "its metadata must be text"),
        ("metadata", {PSNR: "x"}, f"its {PSNR} is 'x', no finite number"),
        ("more", 1, "it must have repository, revision,"),
    ],
)
def test_a_wrong_entry_is_named(
    entries: dict[str, Any],
    read: Callable[[object], list[object]],
    key: str,
    value: object,
    reason: str,
) -> None:
    assert len(read(entries)) == 1
    entries["dehaze-large"][key] = value
    with pytest.raises(WeightsError) as error:
        read(entries)
    assert str(error.value).startswith("The entry 'dehaze-large' of ")
    assert reason in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\udcff"])
def test_what_is_no_catalogue_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "catalogue.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=r"catalogue\.json "):
        read_catalogue(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_to_an_entry_is_read_or_told(
    entries: dict[str, Any], read: Callable[[object], list[object]], data: st.DataObject
) -> None:
    entry = entries["dehaze-large"]
    changed = entry | {data.draw(st.sampled_from([*entry])): data.draw(json_values)}
    told = None
    try:
        read({"x": changed})
    except WeightsError as error:
        told = str(error)
    assert told is None or told.startswith("The entry 'x' of ")

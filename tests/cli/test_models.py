from __future__ import annotations

from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from ccnet.cli import models as command
from ccnet.errors import WeightsError
from ccnet.network import CCNet
from ccnet.weights import registry
from ccnet.weights.files import save_model


@pytest.fixture(autouse=True)
def one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    facts = {"task": "dehaze", "licence": "CC0-1.0", "description": "Clears tests."}
    save_model(CCNet(width=4, modules=1), tmp_path / "dehaze-tiny.safetensors", facts)
    (tmp_path / "dehaze-tiny.md").write_text("# A card\n\n| kept | as |\n|---|---|\n| it | is |\n")
    monkeypatch.setattr(registry, "MODELS", tmp_path)
    monkeypatch.setattr(registry, "DEFAULTS", {"dehaze": "dehaze-tiny"})
    monkeypatch.setenv("COLUMNS", "160")


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(command.models)
    return CliRunner().invoke(app, arguments)


def test_lists_what_ships() -> None:
    output = run().stdout
    parameters = f"{sum(p.numel() for p in CCNet(width=4, modules=1).parameters()):,}"
    for fact in ("dehaze-tiny", "dehaze (default)", parameters, "CC0-1.0", "Clears tests."):
        assert fact in output


@pytest.mark.parametrize("name", ["dehaze-tiny", "dehaze"])
def test_shows_a_card_as_it_is_where_no_one_looks(name: str) -> None:
    assert run(name).stdout == "# A card\n\n| kept | as |\n|---|---|\n| it | is |\n\n"


def test_tells_of_an_unknown_name() -> None:
    assert isinstance(run("dehaze-tyny").exception, WeightsError)

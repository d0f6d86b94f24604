from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from ccnet.cli import models as command
from ccnet.errors import UsageError, WeightsError
from ccnet.network import CCNet
from ccnet.weights import registry
from ccnet.weights.files import save_model
from ccnet.weights.model import INPUT_PSNR, MACHINE, PSNR, SECONDS

FACTS = {
    "task": "dehaze",
    "licence": "CC0-1.0",
    "description": "Clears tests.",
    "data": "two photographs, degraded [red]on the fly",
    INPUT_PSNR: "12.345",
    PSNR: "23.456",
    SECONDS: "5.971",
    MACHINE: "an abacus",
}
ENTRY = {
    "repository": "someone/ccnet",
    "revision": "ab" * 20,
    "file": "large.safetensors",
    "sha256": "cd" * 32,
    "size": 17_060_000,
    "width": 40,
    "modules": 4,
    "parameters": 4_264_529,
    "metadata": {"task": "dehaze", "licence": "MIT", SECONDS: "50", MACHINE: "a slide rule"},
}


@pytest.fixture(autouse=True)
def two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One model that ships, and one that is on the Hub and not fetched."""
    torch.manual_seed(0)
    save_model(CCNet(width=4, modules=1), tmp_path / "dehaze-tiny.safetensors", FACTS)
    (tmp_path / "dehaze-tiny.md").write_text("# A card\n\n| kept | as |\n|---|---|\n| it | is |\n")
    (tmp_path / "dehaze-large.md").write_text("# The card of the large one")
    (tmp_path / "catalogue.json").write_text(json.dumps({"dehaze-large": ENTRY}))
    monkeypatch.setattr(registry, "MODELS", tmp_path)
    for module in (registry, command):
        monkeypatch.setattr(module, "DEFAULTS", {"dehaze": "dehaze-tiny"})


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(command.models)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_lists_a_model_a_line_and_what_the_figures_mean() -> None:
    lines = [line for line in run().stdout.splitlines() if line.strip()]
    assert cells(lines[0]) == [
        *("Model", "Task", "Parameters", "Licence", "Data", "PSNR, dB", "s/MP"),
    ]
    assert cells(lines[2]) == ["dehaze-large", "dehaze", "4,264,529", "MIT", "?", "?", "50"]
    parameters = f"{sum(p.numel() for p in CCNet(width=4, modules=1).parameters()):,}"
    assert cells(lines[3]) == [
        *("dehaze-tiny", "dehaze *", parameters, "CC0-1.0", FACTS["data"]),
        *("12.35 → 23.46", "5.97"),
    ]
    assert lines[4:] == [
        "*: the model that the task means.",
        "PSNR: of the degraded pictures it was validated on → restored.",
        "s/MP: CPU seconds for a megapixel in float32 on one core, a slide rule (dehaze-large).",
        "s/MP: CPU seconds for a megapixel in float32 on one core, an abacus (dehaze-tiny).",
        "Fetched from the Hub when first used: dehaze-large (17.1 MB).",
    ]


@pytest.mark.parametrize("name", ["dehaze-tiny", "dehaze"])
def test_shows_a_card_as_it_is_where_no_one_looks(name: str) -> None:
    assert run(name).stdout == "# A card\n\n| kept | as |\n|---|---|\n| it | is |\n\n"


def test_shows_the_card_of_what_is_not_fetched() -> None:
    assert run("dehaze-large").stdout == "# The card of the large one\n"


def test_a_file_of_ones_own_is_listed_in_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "weights.safetensors"
    save_model(
        CCNet(width=2, modules=1), path, FACTS | {"licence": "\x1b[2Jmine", "data": "x" * 999}
    )
    line = run(path).stdout.splitlines()[3]
    assert cells(line)[0] == "weights.safetensors"
    assert "\\x1b[2Jmine" in line
    assert "x" * 200 + "…" in line
    assert "\x1b" not in line


def test_fetch_tells_where_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "dehaze-tiny.safetensors"
    assert run("dehaze", "--fetch").stdout == f"{path}\n"
    assert isinstance(run("--fetch").exception, UsageError)


@pytest.mark.parametrize("name", ["dehaze-tyny", "missing.safetensors", "hf:nobody"])
@pytest.mark.parametrize("option", [(), ("--fetch",)])
def test_tells_of_what_is_no_model(name: str, option: tuple[str, ...]) -> None:
    assert isinstance(run(name, *option).exception, WeightsError)

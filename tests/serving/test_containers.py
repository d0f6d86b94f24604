"""What the container files name is there; building them needs Docker, which tests do without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from ccnet.cli.main import app
from ccnet.extras import EXTRAS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_files_extras_and_settings_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    let_in = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        for file in line.split():
            assert (ROOT / file).exists()
            assert file in let_in
    (extras,) = re.findall(r'"\.\[(.+)\]"', text)
    for extra in extras.split(","):
        assert extra in EXTRAS
    assert re.search(r'^CMD \["ccnet", "serve"\]$', text, re.MULTILINE)
    assert re.search("^USER ccnet$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["Dockerfile", "Dockerfile.gpu", "compose.yaml", "docs/serving.md"]
)
def test_settings_in_the_environment_are_those_of_the_command(name: str) -> None:
    command = typer.main.get_command(app)
    serve = command.commands["serve"]  # type: ignore[attr-defined]
    known = {parameter.envvar for parameter in serve.params} | {"CCNET_TOKEN"}
    named = set(re.findall(r"CCNET_[A-Z_]+", (ROOT / name).read_text()))
    assert named
    assert named <= known
    if name.startswith("docs"):
        assert named == known - {None}

"""What settings may be, from the command line and elsewhere."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from ccnet import serving
from ccnet.cli.main import app
from ccnet.cli.serve import Size, serve
from ccnet.serving.settings import Settings
from ccnet.weights.registry import SIZES


def test_the_least_values_are_those_of_the_command_line() -> None:
    options = get_type_hints(serve, include_extras=True)
    least = {name: hint.__metadata__[0].min for name, hint in options.items() if name != "return"}
    del least["port"]  # which also has a greatest, and is no argument elsewhere
    described = TypeAdapter(Settings).json_schema()["properties"]
    same = {name: described[name].get("minimum") for name in least if name in described}
    assert same == {name: least[name] for name in same}
    assert len([name for name in same if same[name] is not None]) == 9


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_bound_is_a_number(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "serve", lambda _: None)
    names = [name for name, hint in get_type_hints(Settings).items() if hint is float]
    assert len(names) == 5
    for name in names:
        with pytest.raises(ValidationError):
            TypeAdapter(Settings).validate_python({name: value})
        told = CliRunner().invoke(app, ["serve", f"--{name.replace('_', '-')}", value])
        assert told.exit_code == 2, told.output


def test_the_sizes_are_those_of_the_models() -> None:
    described = TypeAdapter(Settings).json_schema()["properties"]
    assert described["size"]["enum"] == [*SIZES] == [size.value for size in Size]

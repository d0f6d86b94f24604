"""What settings may be, from the command line and elsewhere."""

from __future__ import annotations

from typing import get_type_hints

from pydantic import TypeAdapter

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


def test_the_sizes_are_those_of_the_models() -> None:
    described = TypeAdapter(Settings).json_schema()["properties"]
    assert described["size"]["enum"] == [*SIZES] == [size.value for size in Size]

"""Protocols by name."""

from __future__ import annotations

import pytest

from ccnet.errors import UsageError
from ccnet.evaluation.protocols import find_protocols


def names(*asked: str) -> list[str]:
    return [protocol.name for protocol in find_protocols(asked)]


def test_all_where_none_is_named() -> None:
    assert names() == ["published", "rgb", "y", "quantised"]


def test_each_once_as_asked() -> None:
    assert names("y", "rgb", "y") == ["y", "rgb"]


def test_a_mistyped_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean quantised"):
        find_protocols(["quantized"])

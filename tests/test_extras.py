"""What is installed on demand: that the table is that of `pyproject.toml`, and what is told."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest

from ccnet.errors import CCNetError, MissingExtraError
from ccnet.extras import EXTRAS, require

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; import ccnet; "


def distributions() -> dict[str, set[str]]:
    """List what each extra brings, with what the extras in it bring."""
    brought: dict[str, set[str]] = {}
    inner: dict[str, list[str]] = {}
    for line in requires("ccnet-restore") or ():
        match = re.match(r"([\w-]+)(?:\[([\w,]+)\])?.*; extra == '(\w+)'", line)
        if match is None:
            continue
        name, extras, extra = match.groups()
        of_extra, of_inner = brought.setdefault(extra, set()), inner.setdefault(extra, [])
        if name == "ccnet-restore":
            of_inner += extras.split(",")
        else:
            of_extra.add(name.lower())

    def everything(extra: str) -> set[str]:
        return brought[extra].union(*map(everything, inner[extra]))

    return {extra: everything(extra) for extra in brought}


def test_the_table_has_what_each_extra_brings() -> None:
    known = {
        package: {name.lower().replace("_", "-") for name in names}
        for package, names in packages_distributions().items()
    }
    expected = {
        extra: {name.replace("_", "-") for name in names}
        for extra, names in distributions().items()
        if extra not in ("all", "dev")
    }
    assert expected.keys() == EXTRAS.keys()
    for extra, packages in EXTRAS.items():
        assert set().union(*(known[package] for package in packages)) == expected[extra], extra


def test_all_brings_all() -> None:
    brought = distributions()
    assert brought["all"] == set().union(*(brought[extra] for extra in EXTRAS))


def test_what_is_missing_is_named_with_the_line_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require("train", "Training")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError) as error:
        require("train", "Training")
    assert str(error.value) == 'Training needs yaml: pip install "ccnet-restore[train]"'
    for package in ("torch", "lightning"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CCNetError, match=r"Training needs torch, lightning and yaml: "):
        require("train", "Training")


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("ccnet.CCNet", "torch"),
        ("ccnet.load_network('dehaze')", "torch"),
        ("import ccnet.degradation", "torch"),
        ("import ccnet.evaluation", "evaluate"),
        ("from ccnet.training.run import train_recipe", "train"),
    ],
)
def test_python_is_told_the_same(code: str, extra: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + code], capture_output=True, text=True, check=False
    )
    told = done.stderr.splitlines()[-1]
    assert told.startswith("ccnet.errors.MissingExtraError: ")
    assert told.endswith(f' needs torch: pip install "ccnet-restore[{extra}]"')

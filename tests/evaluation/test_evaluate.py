"""What cannot be evaluated, told before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccnet.errors import UsageError
from ccnet.evaluation.evaluate import evaluate


def test_no_model_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="models names none; name one at least"):
        evaluate([], "folders", tmp_path, tmp_path)

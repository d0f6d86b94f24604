"""What is said of a file that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from ccnet.errors import PictureError
from ccnet.images import read_picture


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message

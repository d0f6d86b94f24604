"""The kinds of pictures that are told apart, without torch."""

from __future__ import annotations

CLEAR = "clear"

TASKS = {"haze": "dehaze", "blur": "deblur", "snow": "desnow"}
"""What takes each degradation away."""

KINDS = (CLEAR, *TASKS)
"""In the order of the network's outputs."""

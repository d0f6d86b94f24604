"""The kinds of pictures that are told apart, without torch."""

from __future__ import annotations

CLEAR = "clear"

TASKS = {"haze": "dehaze", "blur": "deblur", "snow": "desnow"}
"""What takes each degradation away."""

KINDS = (CLEAR, *TASKS)
"""In the order of the network's outputs."""

STRENGTHS = (0.3, 0.5, 0.8)
"""In which each kind is made to see how well all are told apart."""

QUALITIES = (75, 40)
"""Of the JPEGs in which clear photographs are, too."""

"""Tables in Markdown that read well as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(names: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """Draw a table of rows under names, its columns from `left` on to the right."""
    lines = [names, *([cell(text) for text in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = [
        [text.ljust(width) for text, width in zip(line[:left], widths[:left], strict=True)]
        + [text.rjust(width) for text, width in zip(line[left:], widths[left:], strict=True)]
        for line in lines
    ]
    rule = ["-" * width for width in widths[:left]]
    rule += ["-" * (width - 1) + ":" for width in widths[left:]]
    drawn.insert(1, rule)
    return "".join(f"| {' | '.join(line)} |\n" for line in drawn)


def cell(text: str) -> str:
    """Give text as it can stand in a cell."""
    return text.replace("|", "\\|").replace("\n", " ")

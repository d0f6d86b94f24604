"""What names of files say: which target a degraded picture belongs to, and their order."""

from __future__ import annotations

import os
import re
import unicodedata

from ccnet.images.formats import FORMATS

_DIGITS = re.compile("([0-9]+)")
_SUFFIXES = {suffix for held in FORMATS.values() for suffix in held.suffixes}
_HAZY = re.compile("hazy$", re.IGNORECASE)


def same_name(stem: str) -> tuple[str, ...]:
    """The target is called as the degraded picture."""
    return (stem,)


def without_strengths(stem: str) -> tuple[str, ...]:
    """The target lacks what follows an underscore: 1400_1 and 1400 for 1400_1_0.95."""
    parts = stem.split("_")
    return tuple("_".join(parts[:count]) for count in range(len(parts), 0, -1))


def gt_for_hazy(stem: str) -> tuple[str, ...]:
    """The target's name ends in GT where the degraded one's ends in hazy, or is the same."""
    clear = _HAZY.sub("GT", stem)
    return (stem,) if clear == stem else (clear, stem)


def stem_of(name: str) -> str:
    """Take off a picture's suffix, and nothing else: 70fromGOPR1096.MP4 of 70fromGOPR1096.MP4.png.

    Names that no picture has are given back as they are.
    """
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a set has 600,000 names
    return stem if suffix.lower() in _SUFFIXES else name


def is_picture_name(name: str) -> bool:
    """Whether a file's name ends as that of a picture that can be read."""
    return stem_of(name) != name


def folded(name: str) -> str:
    """A name as others may write it: upper and lower case, composed and decomposed letters."""
    return unicodedata.normalize("NFC", name).casefold()


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A key that sorts names with numbers as people do, and the same on every machine."""
    parts = _DIGITS.split(name)
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def leading_number(name: str) -> int | None:
    """The number that a file's name begins with: 7 for outdoor/07_hazy."""
    match = _DIGITS.match(name.rpartition("/")[2])
    return int(match[1]) if match else None

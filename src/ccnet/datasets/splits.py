"""Validation held apart from training, by scene."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ccnet.datasets.pairs import Pair

Item = TypeVar("Item")


def held_out_scenes(scenes: Iterable[str], share: float) -> set[str]:
    """Choose scenes for validation, about `share` of them.

    A scene is chosen by a hash of its own name, so that no other scene, nor another picture of the
    same, moves it. Only where this chooses none, or all, is the lowest taken, or the highest left:
    one at least is always chosen, and one left. Of a single scene none is chosen.
    """
    ranked = sorted(set(scenes), key=_place)
    if len(ranked) < 2:
        return set()
    count = sum(_place(scene) < share for scene in ranked)
    return set(ranked[: min(max(count, 1), len(ranked) - 1)])


def hold_out(pairs: Sequence[Pair], share: float) -> tuple[list[Pair], list[Pair]]:
    """Part pairs into those for training and those for validation, which share no scene.

    Pairs of a single scene, as one video's frames, are parted by target. Where they have but one,
    and for a share of 0, none is held out.
    """
    scenes = [pair.scene for pair in pairs]
    if len(set(scenes)) == 1:
        scenes = _below_all([pair.target for pair in pairs])
    chosen = held_out_scenes(scenes, share) if share else set()
    sides: tuple[list[Pair], list[Pair]] = [], []
    for pair, scene in zip(pairs, scenes, strict=True):
        sides[scene in chosen].append(pair)
    return sides


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Take at most so many, evenly spaced from the first."""
    count = min(most, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def _below_all(paths: Sequence[Path]) -> list[str]:
    """Spell paths as they are below the folder that holds all: names alone may all be the same."""
    spelled = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - resolve() follows links
    folder = os.path.commonpath([os.path.dirname(path) for path in spelled])  # noqa: PTH120
    return [Path(path).relative_to(folder).as_posix() for path in spelled]


def _place(scene: str) -> float:
    """A number in [0, 1) that the name alone decides."""
    digest = hashlib.sha256(scene.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48

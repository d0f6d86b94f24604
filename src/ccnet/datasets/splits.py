"""Validation held apart from training, by scene."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from ccnet.datasets.pairs import Pair


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
    """Part pairs into those for training and those for validation, which share no scene."""
    chosen = held_out_scenes((pair.scene for pair in pairs), share) if share else set()
    training = [pair for pair in pairs if pair.scene not in chosen]
    return training, [pair for pair in pairs if pair.scene in chosen]


def _place(scene: str) -> float:
    """A number in [0, 1) that the name alone decides."""
    digest = hashlib.sha256(scene.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48

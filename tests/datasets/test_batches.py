"""Steps shared out among passes and processes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ccnet.datasets.batches import Share


@given(
    passes=st.integers(1, 4),
    processes=st.integers(1, 5),
    size=st.integers(1, 3),
    steps=st.integers(1, 4),
)
def test_every_part_of_every_step_is_taken_once(
    passes: int, processes: int, size: int, steps: int
) -> None:
    batch = passes * processes * size
    shares = [Share(batch, passes, processes, rank) for rank in range(processes)]
    assert {share.size for share in shares} == {size}
    taken = []
    for step in range(steps):
        turns = range(step * passes, (step + 1) * passes)
        parts = [share.part(index) for share in shares for index in turns]
        assert {part // shares[0].parts for part in parts} == {step}
        taken += parts
    assert sorted(taken) == list(range(steps * passes * processes))

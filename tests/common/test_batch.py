"""Parts of a batch, put together, are the batch: nothing twice, nothing left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common.batch import Batch


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Batches with holes where there are records that are no points, also at both ends and throughout."""
    first = draw(st.integers(1, 1 << 40))
    points = draw(st.lists(st.booleans(), min_size=1, max_size=20))
    sequences = np.flatnonzero(points) + first
    return Batch(
        first_sequence=first,
        last_sequence=first + len(points) - 1,
        sequences=sequences,
        ids=(sequences % 3).astype(np.uint16),
        times=sequences.astype(np.float64),
        values=-sequences.astype(np.float64),
        codenames=("a", "b", "c"),
    )


def _points(batch: Batch) -> list[tuple[int, int, float, float]]:
    columns = (batch.sequences, batch.ids, batch.times, batch.values)
    assert {len(column) for column in columns} == {len(batch)}
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(batch=batches(), points=st.integers(0, 25))
def test_the_first_points_and_what_comes_after_them_are_the_whole(batch: Batch, points: int) -> None:
    part = batch.first(points)
    rest = batch.after(part.last_sequence)
    assert len(part) == min(points, len(batch))
    assert _points(part) + _points(rest) == _points(batch)
    assert part.first_sequence == batch.first_sequence
    assert rest.first_sequence == part.last_sequence + 1
    assert rest.last_sequence == batch.last_sequence


@given(batch=batches(), points=st.integers(0, 25))
def test_a_part_settles_all_up_to_the_next_point_and_not_that(batch: Batch, points: int) -> None:
    part = batch.first(points)
    assert all(part.first_sequence <= sequence <= part.last_sequence for sequence in part.sequences)
    if points < len(batch):
        assert part.last_sequence == batch.sequences[points] - 1
    else:
        assert part is batch


@given(batch=batches(), data=st.data())
def test_points_taken_out_are_settled_with_the_others(batch: Batch, data: st.DataObject) -> None:
    positions = st.integers(0, max(0, len(batch) - 1)) if len(batch) else st.nothing()
    out = data.draw(st.lists(positions))
    rest = batch.without(out)
    assert _points(rest) == [point for i, point in enumerate(_points(batch)) if i not in out]
    assert (rest.first_sequence, rest.last_sequence) == (batch.first_sequence, batch.last_sequence)


@given(batch=batches(), sequence=st.integers(-3, 25))
def test_after_a_sequence_number_only_larger_ones_are_left(batch: Batch, sequence: int) -> None:
    stored = batch.first_sequence + sequence
    rest = batch.after(stored)
    assert _points(rest) == [point for point in _points(batch) if point[0] > stored]
    assert rest.first_sequence == max(batch.first_sequence, stored + 1)
    assert rest.last_sequence == batch.last_sequence


def test_a_position_that_the_batch_does_not_have_is_an_error() -> None:
    nothing = np.array([], np.int64)
    batch = Batch(
        first_sequence=1,
        last_sequence=1,
        sequences=nothing,
        ids=nothing.astype(np.uint16),
        times=nothing.astype(float),
        values=nothing.astype(float),
        codenames=(),
    )
    with pytest.raises(IndexError):
        batch.without([0])

"""Which rows are chosen: those of the smallest hashes, whatever came first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.metrics.sample import Sample, hashes_of

HASHES = st.lists(st.integers(0, 40), max_size=40)


@given(HASHES, HASHES, st.integers(1, 8), st.booleans())
def test_the_rows_of_the_smallest_hashes_are_kept(one, other, most, distinct):
    parts = [np.array(hashes, np.uint64) for hashes in (one, other)]
    first, second = (
        Sample(most, distinct=distinct).plus(part, part[:, None].astype(np.float64)) for part in parts
    )
    expected = sorted({*one, *other} if distinct else [*one, *other])[:most]
    for found in (first + second, second + first):
        assert found.hashes.tolist() == expected
        assert found.rows.ravel().tolist() == expected


def test_a_hash_tells_values_and_their_places_apart_and_zero_has_one():
    rows = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [0.0, 0.0], [-0.0, 0.0]])
    found = hashes_of(rows)
    assert len(set(found.tolist())) == 3
    assert found[0] == found[2]
    assert found[3] == found[4]


def test_hashes_are_spread_evenly():
    hashes = hashes_of(np.arange(20_000, dtype=np.float64)[:, None])
    assert len(np.unique(hashes)) == 20_000
    counts = np.bincount((hashes >> np.uint64(60)).astype(np.int64), minlength=16)
    assert abs(counts - 1250).max() < 5 * np.sqrt(1250)


def test_a_hash_is_the_same_in_every_process():
    """SplitMix64's finalizer as pandas has it, worked out in whole numbers."""

    def mixed(value: int) -> int:
        value ^= value >> 30
        value = value * 0xBF58476D1CE4E5B9 % 2**64
        value ^= value >> 27
        value = value * 0x94D049BB133111EB % 2**64
        return value ^ (value >> 31)

    bits = [int(np.float64(number).view(np.uint64)) for number in (1.5, -3.0)]
    cells = [mixed(bit ^ mixed(place)) for place, bit in enumerate(bits, start=1)]
    assert hashes_of(np.array([[1.5, -3.0]])).tolist() == [mixed(sum(cells) % 2**64)]

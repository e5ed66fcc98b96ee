"""Numbers survive their way through a cell of text to the last bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.trainer.metrics.packing import packed, unpacked


@given(st.lists(st.tuples(st.floats(), st.floats(), st.floats())))
def test_what_is_unpacked_is_what_was_packed(rows):
    given_rows = np.array(rows, np.float64).reshape(-1, 3)
    cell = packed(given_rows)
    assert cell.isascii()
    np.testing.assert_array_equal(unpacked(cell, 3), given_rows)

"""Padding: whatever the lengths, a tensor and its lengths hold the steps, and nothing else."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import request_inputs
from serving.loader.signatures import Signature, Tensor

SIGNATURE = Signature(
    {
        "lengths": Tensor("l:0", 9, (None,)),
        "a": Tensor("a:0", 1, (None, None)),
        "b_": Tensor("b:0", 9, (None, None)),
        "c": Tensor("c:0", 7, (None, None)),
    },
    {},
    "",
)
STEP = st.tuples(
    st.floats(width=32, allow_nan=True),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8")),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(STEP, max_size=5), max_size=7), st.integers(1, 4))
def test_what_is_padded_can_be_cut_off_again(rows, batch):
    arrays = {
        "a": [np.array([step[0] for step in row], np.float32) for row in rows],
        "b!": [np.array([step[1] for step in row], np.int64) for row in rows],
        "c": [[step[2] for step in row] for row in rows],
    }
    found = request_inputs.read(arrays, request_inputs.features_of(SIGNATURE))
    again = []
    for start in range(0, len(found), batch):
        tensors = request_inputs.tensors(found, SIGNATURE, slice(start, start + batch))
        for place, length in enumerate(tensors["lengths"]):
            again.append([tensors[name][place, :length] for name in ("a", "b_", "c")])
            assert not tensors["a"][place, length:].any()
            assert set(tensors["c"][place, length:]) <= {b""}
    assert len(again) == len(rows)
    for row, (a, b, c) in zip(rows, again, strict=True):
        np.testing.assert_array_equal(a, np.array([step[0] for step in row], np.float32))
        np.testing.assert_array_equal(b, np.array([step[1] for step in row], np.int64))
        assert [one.decode() for one in c] == [step[2] for step in row]

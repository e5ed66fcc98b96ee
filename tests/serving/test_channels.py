"""Arrays on the wire: what goes in comes out, and a status is one error whichever the way."""

import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import call_errors, grpc_channel, rest_channel
from serving.loader.signatures import Tensor
from serving.loopback import is_loopback
from serving.tensor_protos import to_array

VALUES = {
    1: (np.float32, st.floats(width=32)),
    9: (np.int64, st.integers(-(2**63), 2**63 - 1)),
    7: (object, st.binary(max_size=5)),
}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(VALUES)), st.integers(0, 3), st.data())
def test_arrays_survive_both_ways_to_the_bit(kind, rows, data):
    numpy_kind, values = VALUES[kind]
    array = np.empty((rows, 2), numpy_kind)
    for place in np.ndindex(array.shape):
        array[place] = data.draw(values)
    message = tf.make_tensor_proto(0)
    message.Clear()
    grpc_channel._fill(message, array, kind)
    text = json.dumps(rest_channel.to_json(array))
    for found in (
        tf.make_ndarray(message),
        to_array(message, "x"),
        to_array(tf.make_tensor_proto(array), "x"),
        rest_channel.of_json(json.loads(text), Tensor("", kind, (None, 2))),
    ):
        assert found.dtype == array.dtype
        if rows:  # JSON's [] has no second dimension
            np.testing.assert_array_equal(found, array)


def test_a_value_that_stands_for_all_behind_it_is_repeated():
    message = tf.make_tensor_proto(3.5, shape=[2, 2], dtype=tf.float32)
    assert len(message.float_val) == 1
    np.testing.assert_array_equal(to_array(message, "x"), np.full((2, 2), 3.5, np.float32))
    message = tf.make_tensor_proto([1, 2], dtype=tf.int32)
    message.tensor_content = b""
    message.int_val.extend([1])
    np.testing.assert_array_equal(to_array(message, "x"), np.array([1, 1], np.int32))


@pytest.mark.parametrize(
    ("http", "code", "kind"),
    [
        (503, "UNAVAILABLE", call_errors.Unavailable),
        (504, "DEADLINE_EXCEEDED", call_errors.DeadlineExceeded),
        (404, "NOT_FOUND", call_errors.NotFound),
        (400, "INVALID_ARGUMENT", call_errors.BadRequest),
        (412, "FAILED_PRECONDITION", call_errors.BadRequest),
        (429, "RESOURCE_EXHAUSTED", call_errors.TooMuch),
        (500, "INTERNAL", call_errors.ServerFailed),
        (418, "INTERNAL", call_errors.ServerFailed),
    ],
)
def test_a_status_is_one_error_whichever_the_way(http, code, kind):
    by_http, by_code = call_errors.of_http(http, "words"), call_errors.of_code(code, "words")
    assert type(by_http) is type(by_code) is kind
    assert (by_http.code, str(by_code)) == (code, f"{code}: words")


def test_what_is_no_answer_is_a_failure_of_the_server():
    with pytest.raises(call_errors.ServerFailed, match="expected float32, got"):
        rest_channel.of_json([[1.0], [2.0, 3.0]], Tensor("", 1, None))


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("localhost:8500", True), ("127.0.0.1:1", True), ("127.8.0.1", True), ("[::1]:8500", True),
        ("models.example:8500", False), ("10.0.0.1:8500", False), ("localhost.example", False),
    ],
)  # fmt: skip
def test_no_proxy_is_asked_for_the_machine_itself(address, own):
    assert is_loopback(address) is own

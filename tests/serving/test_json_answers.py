"""Numbers and texts as TensorFlow Serving prints them."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.json_answers import answer, tokens
from serving.loader.errors import ServingError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"), (0.0, "0.0"), (-0.0, "-0.0"), (2.5, "2.5"), (0.1, "0.1"), (0.2, "0.2"), (1e6, "1e+06"),
        (9e6, "9e+06"), (3e-5, "3e-05"), (123456.0, "123456.0"), (1234567.0, "1234567.0"),
        (16777216.0, "16777216.0"), (1 / 3, "0.333333343"), (0.97778374, "0.97778374"),
        (3.4028235e38, "3.40282347e+38"), (1e-45, "1.4013e-45"), (math.nan, "NaN"),
        (math.inf, "Infinity"), (-math.inf, "-Infinity"),
    ],
)  # fmt: skip
def test_float32_has_six_digits_or_nine_and_a_point(value, text):
    assert tokens(np.array([value], np.float32)) == [text]


def by_the_rule(value: np.floating, digits: int) -> str:
    """json_tensor.cc, in Python: `%.6g` where it reads back as the number, else all digits."""
    kind = type(value)
    short = f"{float(value):.6g}"
    text = short if kind(short) == value else f"{float(value):.{digits}g}"
    return text if "." in text or "e" in text else f"{text}.0"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=50))
def test_float32_is_printed_by_the_rule_and_read_back_as_it_was(values):
    array = np.array(values, np.float32)
    found = tokens(array)
    assert found == [by_the_rule(one, 9) for one in array]
    np.testing.assert_array_equal(np.array([float(one) for one in found], np.float32), array)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_double_is_printed_by_the_rule_and_read_back_as_it_was(values):
    array = np.array(values, np.float64)
    assert tokens(array) == [by_the_rule(one, 17) for one in array]
    assert [float(one) for one in tokens(array)] == values


def test_a_float16_reads_back_as_it_was():
    array = np.array([0.1, 65504.0, 6e-8], np.float16)
    np.testing.assert_array_equal(np.array(tokens(array), np.float16), array)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_whole_numbers_have_no_point(kind):
    limits = np.iinfo(kind)
    assert tokens(np.array([limits.min, limits.max], kind)) == [str(limits.min), str(limits.max)]


def test_uint16_cannot_be_written():
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: uint16"):
        tokens(np.array([1], np.uint16))


def test_one_output_stands_alone_and_several_have_names():
    pair, texts = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([b"a", b'"\n'], object)
    assert json.loads(answer({"y": pair}, by_row=True)) == {"predictions": [[1.0, 2.0], [3.0, 4.0]]}
    assert json.loads(answer({"y": pair}, by_row=False)) == {"outputs": [[1.0, 2.0], [3.0, 4.0]]}
    both = {"y": pair, "t": texts}
    assert json.loads(answer(both, by_row=False)) == {"outputs": {"y": pair.tolist(), "t": ["a", '"\n']}}
    assert json.loads(answer(both, by_row=True)) == {
        "predictions": [{"y": [1.0, 2.0], "t": "a"}, {"y": [3.0, 4.0], "t": '"\n'}]
    }


@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 3), (2, 0), (0, 2), (2, 1, 3), (1, 2, 2, 2)])
def test_lists_are_nested_like_the_shape(shape):
    array = np.arange(np.prod(shape, dtype=int), dtype=np.int64).reshape(shape)
    assert json.loads(answer({"y": array}, by_row=False))["outputs"] == array.tolist()
    if shape:
        assert json.loads(answer({"y": array}, by_row=True))["predictions"] == array.tolist()


def test_an_output_without_a_row_for_each_instance_is_refused():
    with pytest.raises(ServingError, match="Tensor name: y has no shape information "):
        answer({"y": np.float32(1)}, by_row=True)
    with pytest.raises(ServingError, match="Tensor name: b has inconsistent batch size: 2 expecting: 1"):
        answer({"a": np.ones(1), "b": np.ones(2)}, by_row=True)
    with pytest.raises(ServingError, match="Cannot convert empty tensor map to JSON"):
        answer({}, by_row=True)


def test_an_output_named_bytes_is_base64_and_other_bytes_go_through():
    text = np.array([b"\xff\x00"], object)
    assert json.loads(answer({"y_bytes": text}, by_row=True)) == {"predictions": [{"b64": "/wA="}]}
    assert b'"\xff\\u0000"' in answer({"y": text}, by_row=True)

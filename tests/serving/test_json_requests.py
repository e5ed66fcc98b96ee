"""What a JSON body may hold, and what is said of one that holds something else."""

import base64
import json
import re

import numpy as np
import pytest

from serving.json_requests import arrays, parse
from serving.json_values import as_array
from serving.loader.errors import INVALID, UNIMPLEMENTED, ServingError
from serving.loader.signatures import Tensor

FLOAT, DOUBLE, INT32, UINT8, INT8, STRING, INT64, BOOL, UINT16, UINT32, UINT64 = (
    1, 2, 3, 4, 6, 7, 9, 10, 17, 22, 23,
)  # fmt: skip


def inputs(**kinds: int) -> dict[str, Tensor]:
    return {name: Tensor(name, kind, None) for name, kind in kinds.items()}


def read(body: object, **kinds: int) -> dict[str, np.ndarray]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return arrays(parse(text), inputs(**(kinds or {"x": FLOAT})))


def refused(body: object, said: str, code: int = INVALID, **kinds: int) -> None:
    with pytest.raises(ServingError, match=re.escape(said)) as error:
        read(body, **kinds)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ([[1, 2.5], [3, 4]], FLOAT, np.array([[1, 2.5], [3, 4]], np.float32)),
        ([], FLOAT, np.empty(0, np.float32)),
        ([[], []], FLOAT, np.empty((2, 0), np.float32)),
        (7, INT64, np.array(7, np.int64)),
        ([2**63 - 1, -(2**63)], INT64, np.array([2**63 - 1, -(2**63)], np.int64)),
        ([2**64 - 1], UINT64, np.array([2**64 - 1], np.uint64)),
        ([2**32 - 1], UINT32, np.array([2**32 - 1], np.uint32)),
        ([300, -1], UINT8, np.array([44, 255], np.uint8)),  # as int_val is cut
        ([True, False], BOOL, np.array([True, False])),
        (["a", {"b64": "/w=="}, "Ü"], STRING, np.array([b"a", b"\xff", "Ü".encode()], object)),
        ([0.1], DOUBLE, np.array([0.1])),
        ([float("inf"), float("nan")], FLOAT, np.array([np.inf, np.nan], np.float32)),
    ],
)  # fmt: skip
def test_values_become_arrays_of_the_type(value, kind, expected):
    found = as_array(value, kind)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ([None], FLOAT, "JSON Value: null Type: Null is not of expected type: float"),
        (["x"], FLOAT, 'JSON Value: "x" Type: String is not of expected type: float'),
        ([True], FLOAT, "JSON Value: true Type: True is not of expected type: float"),
        ([1.0], INT64, "JSON Value: 1.0 Type: Number is not of expected type: int64"),
        ([2**63], INT64, "Type: Number is not of expected type: int64"),
        ([2**31], INT32, "is not of expected type: int32"),
        ([-1], UINT32, "is not of expected type: uint32"),
        ([1], BOOL, "JSON Value: 1 Type: Number is not of expected type: bool"),
        ([1], STRING, "JSON Value: 1 Type: Number is not of expected type: string"),
        ([1e39], FLOAT, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ([2**24], FLOAT, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        ([2**53], DOUBLE, "to double without loss of precision."),
        ([[1.0], [1.0, 2.0]], FLOAT, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ([[1.0], 2.0], FLOAT, "JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected"),
        ([1.0, [2.0]], FLOAT, "Encountered list at unexpected level: 1 expected < 1"),
        ([{"b64": "?"}], STRING, "Unable to base64 decode"),
        ([{"b64": 1}], STRING, "not formatted correctly for base64 data"),
        ([{"a": 1}], FLOAT, "Type: Object is not of expected type: float"),
        (json.loads("[" * 33 + "1.0" + "]" * 33), FLOAT, "Lists are nested deeper than 32 dimensions"),
        (["\ud800"], STRING, "The surrogate pair in string is invalid."),
    ],
)  # fmt: skip
def test_other_values_are_refused_in_the_real_server_s_words(value, kind, said):
    with pytest.raises(ServingError, match=re.escape(said)) as error:
        as_array(value, kind)
    assert error.value.code == INVALID


def test_a_type_that_json_cannot_send_is_not_implemented():
    with pytest.raises(ServingError, match="Conversion of JSON Value") as error:
        as_array([1], UINT16)
    assert error.value.code == UNIMPLEMENTED


def test_rows_and_columns_give_the_same_arrays():
    text = base64.b64encode(b"\x00raw").decode()
    rows = {"instances": [{"x": [1.0, 2.0], "t": "a"}, {"x": [3.0, 4.0], "t": {"b64": text}}]}
    columns = {"inputs": {"x": [[1.0, 2.0], [3.0, 4.0]], "t": ["a", {"b64": text}], "unknown": 1}}
    for body in (rows, columns):
        found = read(body, x=FLOAT, t=STRING)
        np.testing.assert_array_equal(found["x"], np.array([[1, 2], [3, 4]], np.float32))
        assert found["t"].tolist() == [b"a", b"\x00raw"]
    assert read({"instances": [{"b64": text}]}, t=STRING)["t"].tolist() == [b"\x00raw"]
    assert read({"inputs": {"b64": text}}, t=STRING)["t"].item() == b"\x00raw"


BODIES = [
    (b"", "JSON Parse error: The document is empty"),
    (b"{", "JSON Parse error: Missing a name for object member. at offset: 1"),
    (b'{"instances": [1,]}', "JSON Parse error: Invalid value. at offset: 17"),
    ('{"Ü": x}'.encode(), "JSON Parse error: Invalid value. at offset: 7"),
    (b"{} x", "The document root must not be followed by other values."),
    (b'{"instances": 1', "JSON Parse error: Missing a comma"),
    (b'{"a" 1}', "Missing a colon after a name of object member."),
    (b'{"a": "', "Missing a closing quotation mark in string."),
    (b"[" * 100_000, "JSON Parse error"),
    (b"1" * 10_000, "JSON Parse error"),
    (b"[1]", "Is not object"),
    ({"signature_name": 1}, "'signature_name' key must be a string value."),
    ({}, "Missing 'inputs' or 'instances' key"),
    ({"instances": [1.0], "inputs": [1.0]}, "expecting only one of 'inputs' or 'instances' keys to exist"),
    ({"instances": 1.0}, "Excepting 'instances' to be an list/array"),
    ({"instances": []}, "No values in 'instances' array"),
    ({"instances": [{"x": 1.0}, 1.0]}, "Expecting object but got list at item 1 of input list"),
    ({"instances": [1.0, {"x": 1.0}]}, "Expecting value/list but got object at item 1 of input list"),
    ({"instances": [{"z": 1.0}]}, "JSON object: does not have named input: z"),
    ({"instances": [{}]}, "keys must be equal to: x"),
    (
        {"instances": [[1.0], [None]]},
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: null",
    ),
    ({"instances": [[1.0], [1.0, 2.0]]}, "Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2"),
    ({"instances": [[[1.0, 2.0]], [[1.0], [2.0]]]}, "Expecting shape [1,2] but got: [2,1]"),
    ({"instances": [{"x": "a"}]}, "Failed to process element: 0 key: x of 'instances' list. Error: "),
]


@pytest.mark.parametrize(("body", "said"), BODIES)
def test_other_bodies_are_refused_in_the_real_server_s_words(body, said):
    refused(body, said)


def test_several_inputs_must_be_named():
    refused(
        {"instances": [1.0]}, "instances is a plain list, but expecting list of objects", x=FLOAT, y=FLOAT
    )
    refused({"inputs": [1.0]}, "inputs is a plain value/list, but expecting an object", x=FLOAT, y=FLOAT)
    refused({"inputs": {"x": [1.0]}}, "Missing named input: y in 'inputs' object.", x=FLOAT, y=FLOAT)


def test_an_error_does_not_repeat_a_body_without_end():
    with pytest.raises(ServingError) as error:
        read({"instances": [["x" * 10**6]]})
    assert len(str(error.value)) < 1500


def test_text_that_is_no_utf8_reaches_the_model_as_it_is():
    assert read(b'{"instances": ["\xff\xfe"]}', t=STRING)["t"].tolist() == [b"\xff\xfe"]

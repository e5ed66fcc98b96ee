"""Serialized tf.Examples against protobuf's own serialization."""

import numpy as np
import pyarrow as pa
import tensorflow as tf
from google.protobuf.internal.encoder import _VarintBytes
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.example_bytes import serialize, varints

_LISTS = {
    "float": st.floats(width=32, allow_nan=False),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bytes": st.binary(max_size=200),
}
_TYPES = {"float": pa.float32(), "int": pa.int64(), "bytes": pa.binary()}


def protobuf(row: dict[str, tuple[str, list[object]]]) -> bytes:
    features = {}
    for name, (kind, values) in row.items():
        if kind == "float":
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        elif kind == "int":
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        else:
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    # Every entry of the map as protobuf writes it alone; in the order of the names, in one Example.
    entries = [tf.train.Features(feature={n: features[n]}).SerializeToString() for n in sorted(features)]
    body = b"".join(entries)
    example = b"\n" + _VarintBytes(len(body)) + body
    parsed = tf.train.Example.FromString(example)
    assert parsed == tf.train.Example(features=tf.train.Features(feature=features))
    return example


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_bytes_are_those_of_protobuf(data):
    names = data.draw(st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True))
    kinds = {name: data.draw(st.sampled_from(sorted(_TYPES))) for name in names}
    rows = data.draw(st.integers(1, 5))
    columns = {
        name: data.draw(st.lists(st.lists(_LISTS[kind], max_size=4), min_size=rows, max_size=rows))
        for name, kind in kinds.items()
    }
    found = serialize({n: pa.array(v, pa.list_(_TYPES[kinds[n]])) for n, v in columns.items()})
    expected = [protobuf({name: (kinds[name], columns[name][i]) for name in names}) for i in range(rows)]
    assert found.to_pylist() == expected


def test_long_lists_need_longer_lengths():
    steps = [np.arange(length, dtype=np.float32).tolist() for length in (31, 32, 127, 128, 5000)]
    found = serialize({"x": pa.array(steps, pa.list_(pa.float32()))})
    assert found.to_pylist() == [protobuf({"x": ("float", values)}) for values in steps]


def test_a_part_of_a_larger_column_is_encoded_alone():
    whole = pa.array([[1.0], [2.0, 3.0], [4.0]], pa.list_(pa.float32()))
    texts = pa.array([["a"], ["bc", ""], ["d"]])
    found = serialize({"x": whole[1:], "s": texts[1:]})
    expected = [
        {"x": ("float", [2.0, 3.0]), "s": ("bytes", [b"bc", b""])},
        {"x": ("float", [4.0]), "s": ("bytes", [b"d"])},
    ]
    assert found.to_pylist() == [protobuf(row) for row in expected]


def test_a_varint_of_the_encoding_guide():
    # The worked example of https://protobuf.dev/programming-guides/encoding/: 150 is 96 01.
    assert varints(np.array([150, 1, 0]))[0].as_py() == b"\x96\x01"
    assert varints(np.array([0]))[0].as_py() == b"\x00"

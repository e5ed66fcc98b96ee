"""Encodes columns as serialized tf.Examples, the same bytes for the same columns.

tfx_bsl's RecordBatchToExamplesEncoder writes the features of an Example in an order that differs
from one run to the next. Here they stand in the order of their names, each as protobuf writes it.
The wire format is
https://protobuf.dev/programming-guides/encoding/, the messages are tensorflow/core/example/
example.proto and feature.proto: Example {features: 1}, Features {feature: 1, a map},
Feature {bytes_list: 1, float_list: 2, int64_list: 3}, each list {value: 1}.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Lengths = npt.NDArray[np.int64]
_DELIMITED = 2  # wire type of strings, messages and packed numbers


@dataclass(frozen=True)
class _Message:
    """N messages as parts that stand one after the other, each [N] binary or the same for all."""

    parts: tuple[pa.Array | bytes, ...]
    lengths: Lengths


def serialize(features: Mapping[str, pa.Array]) -> pa.Array:
    """Serialized tf.Examples.

    Args:
      features: name to [N] list of float32, int64, string or binary; lists may have any length.

    Returns:
      [N] binary.
    """
    entries = [_entry(name, features[name]) for name in sorted(features, key=lambda name: name.encode())]
    return _joined(_field(1, _together(entries)))


def _joined(message: _Message) -> pa.Array:
    """The parts of each message in one piece, [N] binary; at least one part is [N]."""
    parts = [pa.scalar(part, pa.binary()) if isinstance(part, bytes) else part for part in message.parts]
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))


def _entry(name: str, values: pa.Array) -> _Message:
    """One entry of the map Features.feature."""
    count = len(values)
    key = _field(1, _Message((name.encode(),), np.full(count, len(name.encode()))))
    return _field(1, _together([key, _field(2, _feature(values))]))


def _feature(values: pa.Array) -> _Message:
    offsets = values.offsets.to_numpy()
    inner = values.values
    if pa.types.is_floating(inner.type):
        return _field(2, _packed(pc.cast(inner, pa.float32()), offsets))
    if pa.types.is_integer(inner.type):
        encoded = varints(inner.to_numpy().astype(np.int64))
        return _field(3, _packed_bytes(encoded, offsets))
    return _field(1, _repeated(pc.cast(inner, pa.binary()), offsets))


def _packed(values: pa.Array, offsets: Lengths) -> _Message:
    """Numbers of fixed size as field 1, nothing for an empty list."""
    size = values.type.bit_width // 8
    data = pa.BinaryArray.from_buffers(
        pa.binary(), len(offsets) - 1, [None, _offsets((offsets + values.offset) * size), values.buffers()[1]]
    )
    return _field(1, _Message((data,), np.diff(offsets).astype(np.int64) * size), omit_empty=True)


def _packed_bytes(encoded: pa.Array, offsets: Lengths) -> _Message:
    data = _runs(encoded, offsets)
    return _field(1, _Message((data,), _sizes(data)), omit_empty=True)


def _repeated(values: pa.Array, offsets: Lengths) -> _Message:
    """Every value as a field 1 of its own."""
    data = _runs(_joined(_field(1, _Message((values,), _sizes(values)))), offsets)
    return _Message((data,), _sizes(data))


def _runs(values: pa.Array, offsets: Lengths) -> pa.Array:
    """Values that follow one another as one, without copying them."""
    ends = np.frombuffer(values.buffers()[1], np.int32) if values.buffers()[1] else np.zeros(1, np.int32)
    ends = ends[values.offset :]
    data = values.buffers()[2] or pa.py_buffer(b"")
    return pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, [None, _offsets(ends[offsets]), data])


def _offsets(values: npt.NDArray[Any]) -> pa.Buffer:
    return pa.py_buffer(np.ascontiguousarray(values, np.int32))


def _sizes(values: pa.Array) -> Lengths:
    sizes: Lengths = pc.binary_length(values).to_numpy().astype(np.int64)
    return sizes


def _together(messages: list[_Message]) -> _Message:
    """Messages one after the other; neighbours that are the same for all become one part."""
    parts: list[pa.Array | bytes] = []
    for part in (part for message in messages for part in message.parts):
        if isinstance(part, bytes) and parts and isinstance(parts[-1], bytes):
            parts[-1] = parts[-1] + part
        else:
            parts.append(part)
    return _Message(tuple(parts), np.sum([message.lengths for message in messages], axis=0))


def _field(number: int, message: _Message, *, omit_empty: bool = False) -> _Message:
    """A message as a length-delimited field of another: tag, length, content."""
    tag = bytes([number << 3 | _DELIMITED])
    lengths = message.lengths
    first = int(lengths[0]) if len(lengths) else 0
    alike = bool((lengths == first).all())
    head: pa.Array | bytes
    if alike and (first or not omit_empty):
        head = tag + varints(np.array([first]))[0].as_py()
        head_lengths = np.full(len(lengths), len(head))
    else:
        distinct, of = np.unique(lengths, return_inverse=True)
        heads = pc.binary_join_element_wise(
            pa.scalar(tag, pa.binary()), varints(distinct), pa.scalar(b"", pa.binary())
        )
        if omit_empty:
            heads = pc.if_else(pa.array(distinct == 0), pa.scalar(b"", pa.binary()), heads)
        head = heads.take(pa.array(of.ravel()))
        head_lengths = _sizes(head)
    return _together([_Message((head,), head_lengths), message])


def varints(values: Lengths) -> pa.Array:
    """Numbers as base-128 varints, [N] binary; negative ones as 64-bit two's complement."""
    rest = values.astype(np.int64).view(np.uint64)
    groups = np.empty((len(values), 10), np.uint8)
    for place in range(10):
        groups[:, place] = (rest & np.uint64(0x7F)).astype(np.uint8)
        rest = rest >> np.uint64(7)
    used = 10 - np.argmax((groups != 0)[:, ::-1], axis=1)
    used = np.where((groups != 0).any(axis=1), used, 1)
    kept = np.arange(10) < used[:, None]
    groups |= np.where(np.arange(10) < (used - 1)[:, None], 0x80, 0).astype(np.uint8)
    offsets = np.concatenate([[0], np.cumsum(used)])
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(values), [None, _offsets(offsets), pa.py_buffer(groups[kept].tobytes())]
    )

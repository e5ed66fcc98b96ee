"""Arrays as TensorProto messages, and back."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow.core.framework import tensor_pb2

from serving.loader.errors import INVALID, ServingError
from serving.loader.tensors import STRING, kind_of, numpy_kind

_FIELDS = {
    1: "float_val", 2: "double_val", 3: "int_val", 4: "int_val", 5: "int_val", 6: "int_val", 7: "string_val",
    9: "int64_val", 10: "bool_val", 17: "int_val", 19: "half_val", 22: "uint32_val", 23: "uint64_val",
}  # fmt: skip
_HALF = 19
_MOST_VALUES = 2**28  # a message of a few bytes can name a shape that no memory holds


def to_array(proto: Any, name: str) -> npt.NDArray[Any]:
    """The content of a TensorProto; text as bytes.

    As TensorFlow reads it: where it lists fewer values than its shape has, the last one stands for the rest.

    Args:
      proto: a TensorProto.
      name: of the input, for the error.

    Raises:
      ServingError: it does not hold what it says.
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    count = math.prod(shape)
    if proto.tensor_shape.unknown_rank or min(shape, default=0) < 0 or count > _MOST_VALUES:
        raise ServingError(INVALID, f"tensor parsing error: {name}")
    kind = numpy_kind(proto.dtype)
    try:
        if proto.tensor_content:
            if proto.dtype == STRING:
                raise ValueError("text stands in string_val")
            return np.frombuffer(proto.tensor_content, kind).reshape(shape)
        return _listed(proto, kind, count).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise ServingError(INVALID, f"tensor parsing error: {name}") from error


def _listed(proto: Any, kind: Any, count: int) -> npt.NDArray[Any]:
    listed = getattr(proto, _FIELDS[proto.dtype])
    if proto.dtype == STRING:
        texts: npt.NDArray[Any] = np.full(count, listed[-1] if listed else b"", np.object_)
        texts[: len(listed)] = listed[:count]
        return texts
    values = (
        np.array(listed[:count], np.uint16).view(kind) if proto.dtype == _HALF else np.array(listed, kind)
    )
    if len(values) >= count:
        return values[:count]
    rest = values[-1] if len(values) else kind()
    return np.concatenate([values, np.full(count - len(values), rest, kind)])


def to_proto(array: npt.NDArray[Any]) -> Any:
    """A TensorProto with the values listed by type, as the real server answers."""
    kind = STRING if array.dtype == np.object_ else kind_of(array, "output")
    proto = tensor_pb2.TensorProto(dtype=kind)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    values = array.view(np.uint16) if kind == _HALF else array
    getattr(proto, _FIELDS[kind]).extend(values.ravel().tolist())
    return proto

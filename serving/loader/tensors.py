"""Arrays as tensors of the C API, and back."""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.loader.c_api import api
from serving.loader.errors import INVALID, ServingError

STRING = 7  # number of DT_STRING
_KINDS: dict[int, Any] = {
    1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 5: np.int16, 6: np.int8, 9: np.int64,
    10: np.bool_, 17: np.uint16, 19: np.float16, 22: np.uint32, 23: np.uint64,
}  # fmt: skip
# Their names in tensorflow/core/framework/types.proto.
DATA_TYPES = {
    1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8", 5: "DT_INT16", 6: "DT_INT8", 7: "DT_STRING",
    9: "DT_INT64", 10: "DT_BOOL", 14: "DT_BFLOAT16", 17: "DT_UINT16", 19: "DT_HALF", 22: "DT_UINT32",
    23: "DT_UINT64",
}  # fmt: skip
_STRING_BYTES = 24  # of a TF_TString, see tensorflow/c/tf_tstring.h: the text itself, or where it is
_SMALL, _LARGE, _VIEW = 0, 1, 3


def numpy_kind(kind: int) -> Any:
    """The NumPy type of a DataType; text is an array of bytes objects.

    Raises:
      ServingError: it has none.
    """
    if kind == STRING:
        return np.object_
    if kind not in _KINDS:
        raise ServingError(INVALID, f"DataType {kind} has no NumPy type")
    return _KINDS[kind]


def to_tensor(array: npt.NDArray[Any], name: str) -> tuple[Any, Any]:
    """A TF_Tensor with the content of an array.

    Args:
      array: numbers, or text as bytes or str.
      name: of the input, for the error.

    Returns:
      The tensor, to be deleted; and what must live until then: the texts it only points to.

    Raises:
      ServingError: TensorFlow has no such type, or what should be text is something else.
    """
    array = np.asarray(array)
    text = array.dtype.kind in "OSU"
    kind = STRING if text else kind_of(array, name)
    content, kept = _as_strings(array, name) if text else (np.ascontiguousarray(array), None)
    library = api()
    dims = (ctypes.c_int64 * array.ndim)(*array.shape)
    tensor = library.TF_AllocateTensor(kind, dims, array.ndim, content.nbytes)
    ctypes.memmove(library.TF_TensorData(tensor), content.ctypes.data, content.nbytes)
    return tensor, kept


def kind_of(array: npt.NDArray[Any], name: str) -> int:
    """The number of the DataType of an array of numbers.

    Raises:
      ServingError: TensorFlow has none; `name` is what the error calls the array.
    """
    for kind, numpy_type in _KINDS.items():
        if array.dtype == numpy_type:
            return kind
    raise ServingError(INVALID, f"{name}: no tensor can hold NumPy's {array.dtype}")


def _as_strings(array: npt.NDArray[Any], name: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
    """TF_TStrings that view the texts in one block of memory, and that block."""
    texts = [_as_bytes(one, name) for one in array.ravel().tolist()]
    block = np.frombuffer(b"".join(texts) or b"\0", np.uint8)
    sizes = np.fromiter(map(len, texts), np.uint64, len(texts))
    strings = np.zeros((len(texts), _STRING_BYTES // 8), np.uint64)
    strings[:, 0] = sizes << np.uint64(2) | np.uint64(_VIEW)
    strings[:, 1] = np.uint64(block.ctypes.data) + np.cumsum(sizes, dtype=np.uint64) - sizes
    return strings, block


def _as_bytes(value: Any, name: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    raise ServingError(INVALID, f"{name}: expected bytes or str, got {type(value).__name__}: {value!r:.80}")


def to_array(tensor: Any) -> npt.NDArray[Any]:
    """A copy of a TF_Tensor's content."""
    library = api()
    shape = tuple(library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor)))
    kind, count = library.TF_TensorType(tensor), int(np.prod(shape))
    if not count:
        return np.empty(shape, numpy_kind(kind))
    size, start = library.TF_TensorByteSize(tensor), library.TF_TensorData(tensor)
    content = np.frombuffer((ctypes.c_char * size).from_address(start), np.uint8)
    if kind != STRING:
        numbers: npt.NDArray[Any] = content.view(numpy_kind(kind)).reshape(shape).copy()
        return numbers
    found: npt.NDArray[Any] = np.empty(count, np.object_)
    found[:] = _texts(content.reshape(count, _STRING_BYTES), start)
    return found.reshape(shape)


def _texts(strings: npt.NDArray[np.uint8], start: int) -> list[bytes]:
    """The texts of TF_TStrings that lie one after the other."""
    fields = strings.view(np.uint64)
    form = strings[:, 0] & 3
    sizes = np.where(form == _SMALL, strings[:, 0] >> 2, fields[:, 0] >> np.uint64(2))
    inside = np.uint64(start + 1) + np.arange(len(strings), dtype=np.uint64) * np.uint64(_STRING_BYTES)
    places = np.select([form == _SMALL, form == _LARGE], [inside, fields[:, 2]], fields[:, 1])
    return [
        ctypes.string_at(place, size) for place, size in zip(places.tolist(), sizes.tolist(), strict=True)
    ]

"""Arrays as the JSON that TensorFlow Serving answers."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.loader.errors import INVALID, ServingError

_BYTES_SUFFIX = "_bytes"  # an output of such a name is answered in base64
_NOT_WRITTEN = ("uint16",)
_DIGITS = {2: 9, 4: 9, 8: 17}  # bytes of a float, to the digits that tell it from every other


def answer(arrays: Mapping[str, npt.NDArray[Any]], *, by_row: bool) -> bytes:
    """The body of an answer.

    Args:
      arrays: outputs by name; text as bytes.
      by_row: an entry for each row of the batch, as for `instances`; else one for each output.

    Raises:
      ServingError: an output has no row for each instance, or is of a type that JSON cannot have.
    """
    if not arrays:
        raise ServingError(INVALID, "Cannot convert empty tensor map to JSON")
    text = _rows(arrays) if by_row else _columns(arrays)
    return text.encode(errors="surrogateescape")


def _columns(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    texts = {name: _nested(tokens(array, name), array.shape) for name, array in arrays.items()}
    if len(texts) == 1:
        (only,) = texts.values()
        return f'{{\n    "outputs": {only}\n}}'
    listed = ",\n".join(f"        {json.dumps(name)}: {text}" for name, text in texts.items())
    return f'{{\n    "outputs": {{\n{listed}\n    }}\n}}'


def _rows(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    columns = []
    count = _batch_size(arrays)
    for name, array in arrays.items():
        texts = _row_texts(array, name)
        columns.append(texts if len(arrays) == 1 else [f"{json.dumps(name)}: {text}" for text in texts])
    if len(arrays) == 1:
        rows = columns[0]
    else:
        rows = [f"{{{', '.join(parts)}}}" for parts in zip(*columns, strict=True)]
    listed = ",\n        ".join(rows)
    return f'{{\n    "predictions": [{listed}\n    ]\n}}' if count else '{\n    "predictions": []\n}'


def _batch_size(arrays: Mapping[str, npt.NDArray[Any]]) -> int:
    size = None
    for name, array in arrays.items():
        if not array.ndim:
            raise ServingError(INVALID, f"Tensor name: {name} has no shape information ")
        if size not in (None, len(array)):
            raise ServingError(
                INVALID,
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}",
            )
        size = len(array)
    return size or 0


def _row_texts(array: npt.NDArray[Any], name: str) -> list[str]:
    found = tokens(array, name)
    if array.ndim == 1:
        return found
    size = int(np.prod(array.shape[1:]))
    return [_nested(found[row * size : (row + 1) * size], array.shape[1:]) for row in range(array.shape[0])]


def _nested(found: list[str], shape: tuple[int, ...]) -> str:
    """Values as nested lists; innermost first."""
    for axis in reversed(range(len(shape))):
        size, count = shape[axis], int(np.prod(shape[:axis]))
        found = [f"[{', '.join(found[at * size : (at + 1) * size])}]" for at in range(count)]
    return found[0]


def tokens(array: npt.NDArray[Any], name: str = "") -> list[str]:
    """Each value of an array as it stands in JSON, in order.

    Args:
      array: of any shape.
      name: of the output.

    Raises:
      ServingError: the type cannot be written.
    """
    if array.dtype.kind == "f":
        return _floats(array.ravel())
    if array.dtype == np.object_:
        write = _base64 if name.endswith(_BYTES_SUFFIX) else _string
        return [write(one) for one in array.ravel().tolist()]
    if array.dtype.name in _NOT_WRITTEN:
        raise ServingError(INVALID, f"Failed to write JSON value for tensor type: {array.dtype.name}")
    if array.dtype == np.bool_:
        return ["true" if one else "false" for one in array.ravel().tolist()]
    return list(map(str, array.ravel().tolist()))


def _floats(values: npt.NDArray[Any]) -> list[str]:
    """Six digits where they tell the number, else as many as it takes; `.0` behind whole ones.

    All are formatted at once: one by one takes several times as long.
    """
    found = _formatted(values, 6)
    read = np.array(found, f"S{max(map(len, found), default=1)}").astype(np.float64).astype(values.dtype)
    differ = np.flatnonzero((read != values) & np.isfinite(values))
    if len(differ):
        for place, text in zip(
            differ.tolist(), _formatted(values[differ], _DIGITS[values.dtype.itemsize]), strict=True
        ):
            found[place] = text
    return [one if "." in one or "e" in one else _SPECIAL.get(one, f"{one}.0") for one in found]


_SPECIAL = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _formatted(values: npt.NDArray[Any], digits: int) -> list[str]:
    listed = values.tolist()
    return (f"%.{digits}g\n" * len(listed) % tuple(listed)).split("\n")[:-1]


def _string(value: bytes) -> str:
    return json.dumps(value.decode(errors="surrogateescape"), ensure_ascii=False)


def _base64(value: bytes) -> str:
    return f'{{"b64": "{base64.b64encode(value).decode()}"}}'


def error(message: str) -> bytes:
    """The body of an error."""
    return json.dumps({"error": message}, ensure_ascii=False, indent=4).encode(errors="replace")

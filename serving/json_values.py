"""One JSON value as an array of a signature's type, by the rules and in the words of TensorFlow Serving.

A list is checked as a whole; only where something is wrong is the place looked for, value by value.
"""

import base64
import binascii
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.loader.errors import INVALID, UNIMPLEMENTED, ServingError
from serving.loader.tensors import STRING, numpy_kind

_NAMES = {
    1: "float", 2: "double", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 9: "int64",
    10: "bool", 22: "uint32", 23: "uint64",
}  # fmt: skip
_DIGITS = {1: 24, 2: 53}  # of a float's mantissa: a whole number beyond it could be rounded
_LONGEST_SHOWN = 1000  # of a value in an error: the real server repeats all of it
_BOOL = 10
_MOST_DIMENSIONS = 32  # of an array of NumPy; a tensor has 254
_SHORT_BYTES = 4  # shorter whole numbers are read as int32, as the real server does, and cut to their type


def as_array(value: Any, kind: int) -> npt.NDArray[Any]:
    """A number, text, or nested lists of them as one array.

    Args:
      value: as `json.loads` gives it.
      kind: number of the DataType.

    Raises:
      ServingError: lists of unequal sizes, or nested too deep, or a value that is not of the type.
    """
    if kind not in _NAMES:
        raise ServingError(
            UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: DataType {kind}"
        )
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list):
        size = len(level[0])
        if not all(isinstance(one, list) and len(one) == size for one in level):
            raise _misplaced(value, _shape(value))
        shape.append(size)
        if len(shape) > _MOST_DIMENSIONS:
            raise ServingError(INVALID, f"Lists are nested deeper than {_MOST_DIMENSIONS} dimensions")
        level = list(itertools.chain.from_iterable(level))
    if any(isinstance(one, list) for one in level):
        raise _misplaced(value, _shape(value))
    return _converted(level, kind).reshape(shape)


def is_text(value: Any) -> bool:
    """Whether it is {"b64": …}, which stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def shown(value: Any) -> str:
    """A value for an error."""
    text = json.dumps(value, indent=4, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _converted(values: list[Any], kind: int) -> npt.NDArray[Any]:
    types = set(map(type, values))
    if kind == STRING:
        texts: npt.NDArray[Any] = np.empty(len(values), np.object_)
        texts[:] = [_text(one) for one in values]
        return texts
    wanted = {bool} if kind == _BOOL else {int, float} if kind in _DIGITS else {int}
    if not types <= wanted:
        raise _wrong_type(next(one for one in values if type(one) not in wanted), kind)
    if kind not in _DIGITS:
        return _whole(values, kind)
    if int in types:
        _check_whole_fits(values, kind)
    return _floats(values, kind)


def _check_whole_fits(values: list[Any], kind: int) -> None:
    """A whole number as a float must be exact; one beyond 64 bits is read as a double anyway."""
    largest, whole = 2 ** _DIGITS[kind] - 1, (one for one in values if type(one) is int)
    for one in whole:
        if abs(one) > largest and (-(2**63) <= one < 2**64 or abs(one) > _most(kind)):
            raise _lossy(one, kind)


def _most(kind: int) -> float:
    return float(np.finfo(numpy_kind(kind)).max)


def _floats(values: list[Any], kind: int) -> npt.NDArray[Any]:
    wide = np.array(values, np.float64)
    narrow: npt.NDArray[Any] = wide
    if kind == 1:
        too_large = np.isfinite(wide) & (np.abs(wide) > _most(kind))
        if too_large.any():
            raise _lossy(values[int(too_large.argmax())], kind)
        narrow = wide.astype(np.float32)
    return narrow


def _whole(values: list[Any], kind: int) -> npt.NDArray[Any]:
    target = np.dtype(numpy_kind(kind))
    if kind == _BOOL:
        return np.array(values, target)
    read = np.dtype(np.int32) if target.itemsize < _SHORT_BYTES else target
    limits = np.iinfo(read)
    if values and not (limits.min <= min(values) and max(values) <= limits.max):
        raise _wrong_type(next(one for one in values if not limits.min <= one <= limits.max), kind)
    return np.array(values, read).astype(target)


def _text(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raise ServingError(
                INVALID, "JSON Parse error: The surrogate pair in string is invalid."
            ) from None
    if not isinstance(value, dict):
        raise _wrong_type(value, STRING)
    if not is_text(value):
        raise ServingError(INVALID, f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    try:
        text = value["b64"].replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ServingError(INVALID, "Unable to base64 decode") from None


def _shape(value: Any) -> list[int]:
    """The shape that the first elements tell."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _misplaced(value: Any, shape: list[int], level: int = 0) -> ServingError:
    """The error of the first list that is not of the shape; a value of the wrong type may come before."""
    return next(_errors(value, shape, level))


def _errors(value: Any, shape: list[int], level: int) -> Iterator[ServingError]:
    if not isinstance(value, list):
        if level != len(shape):
            yield ServingError(
                INVALID,
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}",
            )
        return
    if level >= len(shape):
        yield ServingError(INVALID, f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        return
    if len(value) != shape[level]:
        yield ServingError(
            INVALID,
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}",
        )
        return
    for one in value:
        yield from _errors(one, shape, level + 1)


def _wrong_type(value: Any, kind: int) -> ServingError:
    names = {type(None): "Null", str: "String", dict: "Object", list: "Array"}
    name = str(value) if isinstance(value, bool) else names.get(type(value), "Number")
    return ServingError(
        INVALID, f"JSON Value: {shown(value)} Type: {name} is not of expected type: {_NAMES[kind]}"
    )


def _lossy(value: Any, kind: int) -> ServingError:
    return ServingError(
        INVALID, f"Cannot convert JSON value: {shown(value)} to {_NAMES[kind]} without loss of precision."
    )

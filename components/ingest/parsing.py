"""Reads text and typed values as numbers, text and moments. Vectorised throughout."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.piece import whole_column

_MISSING = pa.array(["", "na", "n/a", "#n/a", "null", "none", "?"])  # in lower case; besides nan
FLOAT_RE = (
    r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
)
INTEGER_RE = r"^[+-]?\d+$"
TIMESTAMP_RE = r"^\d{4}-\d{2}-\d{2}"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Converted:
    """A converted column.

    Attributes:
      values: [N], null or a stand-in where `bad`.
      bad: [N], true where a cell cannot be used.
      expected: what would have been right, in words.
    """

    values: pa.Array
    bad: Mask
    expected: str


def to_text(cells: pa.Array, *, trim: bool = True) -> Converted:
    """Text, empty where missing."""
    bad = np.zeros(len(cells), bool)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_nested(cells.type):
        return Converted(_filled("", len(cells)), ~bad, "text")
    cells = _without_decimals(cells)
    if pa.types.is_floating(cells.type):
        texts = _number_texts(cells)
    else:
        try:
            texts = pc.cast(cells, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            bad = _not_utf8(cells)
            kept = pc.if_else(pa.array(bad), pa.scalar(None, cells.type), cells)
            texts = _filled("", len(cells)) if bad.all() else pc.cast(kept, pa.string())
    texts = pc.fill_null(texts, "")
    return Converted(pc.utf8_trim_whitespace(texts) if trim else texts, bad, "text")


def _number_texts(cells: pa.Array) -> pa.Array:
    """Numbers as text, the same whatever the column's type: 1 for 1.0, null for NaN."""
    values = pc.fill_null(pc.cast(cells, pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
    whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2.0**63)
    integers = pc.cast(pa.array(np.where(whole, values, 0).astype(np.int64)), pa.string())
    texts = pc.if_else(pa.array(whole), integers, pc.cast(cells, pa.string()))
    return pc.if_else(pa.array(np.isnan(values)), pa.scalar(None, pa.string()), texts)


def _not_utf8(cells: pa.Array) -> Mask:
    """Which cells are no text; found by halves, for few are."""
    try:
        pc.cast(cells, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        half = len(cells) // 2
        if not half:
            return np.ones(1, bool)
        return np.concatenate([_not_utf8(cells.slice(0, half)), _not_utf8(cells.slice(half))])
    return np.zeros(len(cells), bool)


def _filled(value: Any, length: int) -> pa.Array:
    return pa.array([value]).take(pa.array(np.zeros(length, np.int64)))


def to_numbers(cells: pa.Array, kind: pa.DataType, expected: str) -> Converted:
    """Cells as numbers, null where missing."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    cells = _without_decimals(cells)
    if is_text(cells.type):
        return _numbers_of_text(cells, kind, expected)
    if pa.types.is_boolean(cells.type):
        cells = pc.cast(cells, pa.int8())
    none = np.zeros(len(cells), bool)
    if pa.types.is_floating(cells.type) and pa.types.is_integer(kind):
        return _whole_of_real(cells, expected)
    if pa.types.is_uint64(cells.type) and pa.types.is_integer(kind):
        none = mask_of(pc.greater(cells, pa.scalar(2**63 - 1, pa.uint64())))
        cells = pc.if_else(pa.array(none), pa.scalar(0, pa.uint64()), cells)
    if family(cells.type) in ("number", "nothing"):
        return Converted(pc.cast(cells, kind, safe=False), none, expected)
    return Converted(pa.nulls(len(cells), kind), ~none, expected)


def _without_decimals(cells: pa.Array) -> pa.Array:
    """Decimals as int64 where they all are whole and small enough, else as float64; others as they are."""
    if not pa.types.is_decimal(cells.type):
        return cells
    try:
        return pc.cast(cells, pa.int64())
    except pa.ArrowInvalid:
        return pc.cast(cells, pa.float64())


def _numbers_of_text(cells: pa.Array, kind: pa.DataType, expected: str) -> Converted:
    try:
        numbers = pc.cast(cells, kind)  # the usual case: clean numbers
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        numbers = None
    # Arrow takes 0x1F for a whole number, the pattern does not.
    hexadecimal = (
        pa.types.is_integer(kind) and mask_of(pc.match_substring(cells, "x", ignore_case=True)).any()
    )
    if numbers is not None and not hexadecimal:
        return Converted(numbers, np.zeros(len(cells), bool), expected)
    texts = to_text(cells)
    values = pc.if_else(is_missing(texts.values), pa.scalar(None, pa.string()), texts.values)
    numbers, bad = parse(values, kind, pattern_of(kind))
    return Converted(numbers, bad | texts.bad, expected)


def _whole_of_real(cells: pa.Array, expected: str) -> Converted:
    real = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
    missing = np.isnan(real)
    bad = ~missing & ((real != np.floor(real)) | (np.abs(real) >= 2.0**63))
    whole = np.where(bad | missing, 0, real).astype(np.int64)
    return Converted(pa.array(whole, mask=missing), bad, expected)


def is_missing(texts: pa.Array) -> pa.Array:
    """Which texts are words for a value that is not there."""
    return pc.is_in(pc.utf8_lower(texts), value_set=_MISSING)


def parse(texts: pa.Array, kind: pa.DataType, pattern: str) -> tuple[pa.Array, Mask]:
    """Text as another type, null where it does not parse or is null; and where it does not parse."""
    none = pa.scalar(None, pa.string())
    if not pa.types.is_timestamp(kind):
        texts = pc.replace_substring_regex(texts, r"^\+", "")  # Arrow knows no +1
    wrong = ~mask_of(pc.or_kleene(pc.match_substring_regex(texts, pattern), pc.is_null(texts)))
    kept = pc.if_else(pa.array(wrong), none, texts)
    try:
        return pc.cast(kept, kind), wrong
    except pa.ArrowInvalid:  # rare: 2015-02-30, or a zone where the others have none
        distinct = kept.dictionary_encode()
    fails = np.array([not _casts(text, kind) for text in distinct.dictionary.to_pylist()] + [False])
    wrong |= fails[pc.fill_null(distinct.indices, len(fails) - 1).to_numpy(zero_copy_only=False)]
    return pc.cast(pc.if_else(pa.array(wrong), none, kept), kind), wrong


def pattern_of(kind: pa.DataType) -> str:
    """What texts of a type look like."""
    if pa.types.is_timestamp(kind):
        return TIMESTAMP_RE
    return INTEGER_RE if pa.types.is_integer(kind) else FLOAT_RE


def _casts(text: str, kind: pa.DataType) -> bool:
    try:
        pc.cast(pa.scalar(text), kind)
    except pa.ArrowInvalid:
        return False
    return True


def family(kind: pa.DataType) -> str:
    """What a type is at heart: number, truth, moment, text, nothing, or something else."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    while is_list(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "moment with a zone" if getattr(kind, "tz", None) else "moment"
    words = {"text": is_text(kind), "truth": pa.types.is_boolean(kind), "nothing": pa.types.is_null(kind)}
    return next((word for word, fits in words.items() if fits), "something else")


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list, which holds the steps of a record."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def list_lengths(lists: pa.Array) -> npt.NDArray[np.int64]:
    """Values in each list, [N]; 0 where there is none."""
    lengths: npt.NDArray[np.int64] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return lengths


def single_values(lists: pa.Array) -> pa.Array:
    """The value of lists that hold at most one, null where there is none, [N]."""
    lengths = list_lengths(lists)
    values = pa.concat_arrays([lists.flatten(), pa.nulls(1, lists.type.value_type)])
    return values.take(pa.array(np.where(lengths == 1, np.cumsum(lengths) - 1, len(values) - 1)))


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text, or bytes that may be."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )  # fmt: skip


def mask_of(values: pa.Array) -> Mask:
    """Truth values as NumPy array; null is false."""
    filled: Mask = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return filled


def flat(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array of single cells, whatever the nesting."""
    whole = whole_column(values) if isinstance(values, pa.ChunkedArray) else values
    while is_list(whole.type):
        whole = whole.flatten()
    return whole

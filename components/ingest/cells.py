"""Turns the cells of a column into what a step holds: numbers, text, moments. Vectorised throughout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.piece import whole_column
from pipeline.config import FeatureKind

_MISSING = pa.array(["", "na", "n/a", "#n/a", "null", "none", "?"])  # in lower case; besides nan
_FLOAT_RE = (
    r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
)
_INTEGER_RE = r"^[+-]?\d+$"
_FOREIGN = {
    r"^[+-]?\d*,\d+$": "numbers with a decimal comma",
    r"^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( .*)?$": "dates that are not ISO 8601",
}
_TIMESTAMP_RE = r"^\d{4}-\d{2}-\d{2}"
_EXACT_IN_FLOAT32 = 2**24  # the largest whole number up to which float32 misses none
_LATEST = 9e12  # a time as a number, so that its millionths are an int64
_WORDS = 3.0  # blanks a cell, on average, from which on text is text and no category
_TOLD_APART = 20  # cells from which on "nearly all differ" means something
_MOMENTS = (
    pa.int64(), pa.float64(),
    pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.timestamp("ns", "UTC"),
)  # fmt: skip

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


def feature(cells: pa.Array, kind: FeatureKind, *, trim: bool = False) -> Converted:
    """Cells of a feature.

    Args:
      cells: [N] text as it stands in a file, or typed values.
      kind: `float` gives float32, NaN where missing; `integer` gives int64, where nothing may be
        missing; `category` and `text` give text, empty where missing.
      trim: whether blanks around a category do not belong to it.
    """
    if kind == "float":
        numbers = _numbers(cells, pa.float32(), "a number")
        values = pc.fill_null(numbers.values, float("nan"))
        too_large = _too_large(values, cells)
        expected = "a number of less than 3.4e38" if too_large.any() else numbers.expected
        return Converted(values, numbers.bad | too_large, expected)
    if kind == "integer":
        whole = _numbers(cells, pa.int64(), "a whole number (kind float has missing values)")
        missing = _mask(pc.is_null(whole.values))
        return Converted(pc.fill_null(whole.values, 0), whole.bad | missing, whole.expected)
    return _text(cells, trim=trim and kind == "category")


def identity(cells: pa.Array) -> Converted:
    """Cells that name a sequence: text that is not empty, nor of several lines."""
    return _named(cells, r"^$|[\r\n]", "a value on one line")


def class_label(cells: pa.Array) -> Converted:
    """Cells that hold a class: as `identity`, and not nan."""
    return _named(cells, r"^$|[\r\n]|^[nN][aA][nN]$", "a class")


def _named(cells: pa.Array, unusable: str, expected: str) -> Converted:
    texts = _text(cells)
    encoded = texts.values.dictionary_encode()  # most names occur often: each is looked at once
    wrong = _mask(pc.match_substring_regex(encoded.dictionary, unusable))
    bad = wrong[encoded.indices.to_numpy()] if wrong.any() else np.zeros(len(cells), bool)
    return Converted(texts.values, texts.bad | bad, expected)


def number_label(cells: pa.Array) -> Converted:
    """Cells that hold the number to learn: float64, finite also as float32."""
    numbers = _numbers(cells, pa.float64(), "a finite number")
    values = pc.fill_null(numbers.values, float("nan"))
    finite = pc.is_finite(pc.cast(values, pa.float32(), safe=False))
    return Converted(values, numbers.bad | ~_mask(finite), numbers.expected)


def _too_large(values: pa.Array, cells: pa.Array) -> Mask:
    """Where a finite number became infinite as float32."""
    infinite = ~_mask(pc.is_finite(values)) & ~_mask(pc.is_nan(values))
    if infinite.any():
        infinite &= _mask(pc.is_finite(_numbers(cells, pa.float64(), "").values))
    return infinite


def moments(cells: pa.Array, kind: pa.DataType) -> Converted:
    """Cells that hold a moment, as `first_moment` found its kind.

    Returns:
      float64 where the kind is, else int64: whole numbers, or microseconds or nanoseconds (the
      kind's unit) since 1970, in UTC where the source names zones.
    """
    expected = moment_words(kind)
    if not pa.types.is_timestamp(kind):
        numbers = _numbers(cells, kind, expected)
        bad = numbers.bad | _mask(pc.is_null(numbers.values))
        values = pc.fill_null(numbers.values, 0)
        if pa.types.is_floating(kind):
            bad |= ~_mask(pc.less(pc.abs(values), _LATEST))
        return Converted(values, bad, expected)
    if _is_text(cells.type):
        texts = _text(cells).values
        times, bad = _parse(texts, kind, _TIMESTAMP_RE)
    else:
        times, bad = _from_typed(cells, kind)
    bad = bad | _mask(pc.is_null(times))
    whole = pc.cast(pc.cast(times, pa.timestamp(kind.unit)), pa.int64())
    return Converted(pc.fill_null(whole, 0), bad, expected)


def moment_words(kind: pa.DataType) -> str:
    """A kind of time in words."""
    if pa.types.is_integer(kind):
        return "a whole number, as in the first rows"
    if pa.types.is_floating(kind):
        return "a finite number"
    if kind.tz:
        return "an ISO 8601 timestamp with a time zone, as in the first rows"
    return "an ISO 8601 timestamp without a time zone, as in the first rows"


def first_moment(sample: pa.ChunkedArray) -> pa.DataType | None:
    """The kind of time that most cells of a sample hold; None where hardly one is a moment.

    The first of these that fits wins: whole numbers, numbers, timestamps without and with a zone,
    in microseconds, else in nanoseconds.
    """
    cells = flat(sample)
    if not _is_text(cells.type):
        return next((kind for kind in _typed_moments(cells.type)), None)
    texts = _text(cells).values
    texts = texts.filter(pc.not_equal(texts, ""))
    best, fewest = None, len(texts) / 2
    for kind in _MOMENTS:
        pattern = _pattern(kind)
        bad = int(_parse(texts, kind, pattern)[1].sum())
        if bad < fewest:
            best, fewest = kind, bad
    return best


def _pattern(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return _TIMESTAMP_RE
    return _INTEGER_RE if pa.types.is_integer(kind) else _FLOAT_RE


_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _typed_moments(kind: pa.DataType) -> list[pa.DataType]:
    if pa.types.is_integer(kind):
        return [pa.int64()]
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return [pa.float64()]
    if pa.types.is_timestamp(kind):
        return [pa.timestamp("ns" if kind.unit == "ns" else "us", "UTC" if kind.tz else None)]
    return [pa.timestamp("us")] if pa.types.is_date(kind) else []


def _from_typed(cells: pa.Array, kind: pa.DataType) -> tuple[pa.Array, Mask]:
    """Timestamps and dates as one kind of timestamp; all bad where only one of the two has a zone."""
    typed = pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type)
    zoned = pa.types.is_timestamp(cells.type) and cells.type.tz is not None
    if not typed or zoned != (kind.tz is not None):
        return pa.nulls(len(cells), kind), np.ones(len(cells), bool)
    if pa.types.is_date(cells.type):
        cells = pc.cast(cells, pa.timestamp("ms"))
    have, want = _PER_SECOND[cells.type.unit], _PER_SECOND[kind.unit]
    counted = pc.cast(pc.cast(cells, pa.timestamp(cells.type.unit)), pa.int64())
    missing = _mask(pc.is_null(counted))
    moments = pc.fill_null(counted, 0).to_numpy(zero_copy_only=False)
    if want >= have:
        bad = np.abs(moments) > np.iinfo(np.int64).max // (want // have)
        moments = np.where(bad, 0, moments) * (want // have)
    else:  # finer than in the first rows: only what loses nothing
        bad = moments % (have // want) != 0
        moments = moments // (have // want)
    return pc.cast(pa.array(moments, pa.int64(), mask=missing), kind), bad


def infer_kind(sample: pa.ChunkedArray) -> tuple[FeatureKind, str | None]:
    """The kind of a feature, and in words why that is in doubt.

    Args:
      sample: its first cells.

    Returns:
      `float` for numbers in text files; `integer` where the type of the column says so and nothing
      is missing, or where whole numbers are too large for float32; `text` for cells of three words
      and more on average; else `category`.
    """
    cells = flat(sample)
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return "category", None
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return ("float" if cells.null_count else "integer"), None
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return "float", None
    if not _is_text(kind):
        return "category", f"expected numbers or text, got {kind}"
    converted = _text(cells)
    if converted.bad.any():
        return "category", "it holds bytes that are no UTF-8 text"
    return _infer_text(converted.values)


def _infer_text(texts: pa.Array) -> tuple[FeatureKind, str | None]:
    present = texts.filter(pc.invert(_is_missing(texts)))
    if not len(present):
        return "float", None
    if not _parse(present, pa.float32(), _FLOAT_RE)[1].all():
        # Some numbers are enough: what is none among them is then an error with its place.
        whole = _mask(pc.match_substring_regex(present, _INTEGER_RE)).all()
        if whole and len(present) == len(texts):
            numbers, bad = _parse(present, pa.int64(), _INTEGER_RE)
            if not bad.any() and np.abs(numbers.to_numpy(zero_copy_only=False)).max() > _EXACT_IN_FLOAT32:
                return "integer", None
        return "float", None
    first = present[0].as_py()
    if not _parse(present, pa.timestamp("us"), _TIMESTAMP_RE)[1].all():
        return "category", f"it holds moments such as {first!r}; should it be data.time?"
    for pattern, words in _FOREIGN.items():
        if _mask(pc.match_substring_regex(present, pattern)).all():
            return "category", f"it holds {words}, such as {first!r}; write them as 1.5 and 2015-02-04"
    if pc.mean(pc.count_substring(present, " ")).as_py() >= _WORDS:
        return "text", None
    distinct = pc.count_distinct(present).as_py()
    if len(present) >= _TOLD_APART and distinct > len(present) / 2:
        return "category", (f"nearly every cell differs, such as {first!r}: is it an id?")
    return "category", None


def flat(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array of single cells, whatever the nesting."""
    whole = whole_column(values) if isinstance(values, pa.ChunkedArray) else values
    while pa.types.is_list(whole.type) or pa.types.is_large_list(whole.type):
        whole = whole.flatten()
    return whole


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )  # fmt: skip


def _mask(values: pa.Array) -> Mask:
    filled: Mask = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return filled


def family(kind: pa.DataType) -> str:
    """What a type is at heart: number, truth, moment, text, nothing, or something else."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "moment with a zone" if getattr(kind, "tz", None) else "moment"
    words = {"text": _is_text(kind), "truth": pa.types.is_boolean(kind), "nothing": pa.types.is_null(kind)}
    return next((word for word, fits in words.items() if fits), "something else")


def _text(cells: pa.Array, *, trim: bool = True) -> Converted:
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


def _is_missing(texts: pa.Array) -> pa.Array:
    return pc.is_in(pc.utf8_lower(texts), value_set=_MISSING)


def _numbers(cells: pa.Array, kind: pa.DataType, expected: str) -> Converted:
    """Cells as numbers, null where missing."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    cells = _without_decimals(cells)
    if _is_text(cells.type):
        return _numbers_of_text(cells, kind, expected)
    if pa.types.is_boolean(cells.type):
        cells = pc.cast(cells, pa.int8())
    none = np.zeros(len(cells), bool)
    if pa.types.is_floating(cells.type) and pa.types.is_integer(kind):
        return _whole_of_real(cells, expected)
    if pa.types.is_uint64(cells.type) and pa.types.is_integer(kind):
        none = _mask(pc.greater(cells, pa.scalar(2**63 - 1, pa.uint64())))
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
    hexadecimal = pa.types.is_integer(kind) and _mask(pc.match_substring(cells, "x", ignore_case=True)).any()
    if numbers is not None and not hexadecimal:
        return Converted(numbers, np.zeros(len(cells), bool), expected)
    texts = _text(cells)
    values = pc.if_else(_is_missing(texts.values), pa.scalar(None, pa.string()), texts.values)
    numbers, bad = _parse(values, kind, _pattern(kind))
    return Converted(numbers, bad | texts.bad, expected)


def _whole_of_real(cells: pa.Array, expected: str) -> Converted:
    real = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
    missing = np.isnan(real)
    bad = ~missing & ((real != np.floor(real)) | (np.abs(real) >= 2.0**63))
    whole = np.where(bad | missing, 0, real).astype(np.int64)
    return Converted(pa.array(whole, mask=missing), bad, expected)


def _parse(texts: pa.Array, kind: pa.DataType, pattern: str) -> tuple[pa.Array, Mask]:
    """Text as another type, null where it does not parse or is null; and where it does not parse."""
    none = pa.scalar(None, pa.string())
    if not pa.types.is_timestamp(kind):
        texts = pc.replace_substring_regex(texts, r"^\+", "")  # Arrow knows no +1
    wrong = ~_mask(pc.or_kleene(pc.match_substring_regex(texts, pattern), pc.is_null(texts)))
    kept = pc.if_else(pa.array(wrong), none, texts)
    try:
        return pc.cast(kept, kind), wrong
    except pa.ArrowInvalid:  # rare: 2015-02-30, or a zone where the others have none
        distinct = kept.dictionary_encode()
    fails = np.array([not _casts(text, kind) for text in distinct.dictionary.to_pylist()] + [False])
    wrong |= fails[pc.fill_null(distinct.indices, len(fails) - 1).to_numpy(zero_copy_only=False)]
    return pc.cast(pc.if_else(pa.array(wrong), none, kept), kind), wrong


def _casts(text: str, kind: pa.DataType) -> bool:
    try:
        pc.cast(pa.scalar(text), kind)
    except pa.ArrowInvalid:
        return False
    return True


Conversion = Callable[[pa.Array], Converted]

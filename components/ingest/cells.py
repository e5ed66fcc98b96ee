"""Turns the cells of a column into what a step holds, by the role the column has."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.parsing import (
    TIMESTAMP_RE,
    Converted,
    Mask,
    is_text,
    mask_of,
    parse,
    to_numbers,
    to_text,
)
from pipeline.config import FeatureKind

_LATEST = 9e12  # a time as a number, so that its millionths are an int64


def feature(cells: pa.Array, kind: FeatureKind, *, trim: bool = False) -> Converted:
    """Cells of a feature.

    Args:
      cells: [N] text as it stands in a file, or typed values.
      kind: `float` gives float32, NaN where missing; `integer` gives int64, where nothing may be
        missing; `category` and `text` give text, empty where missing.
      trim: whether blanks around a category do not belong to it.
    """
    if kind == "float":
        numbers = to_numbers(cells, pa.float32(), "a number")
        values = pc.fill_null(numbers.values, float("nan"))
        too_large = _too_large(values, cells)
        expected = "a number of less than 3.4e38" if too_large.any() else numbers.expected
        return Converted(values, numbers.bad | too_large, expected)
    if kind == "integer":
        whole = to_numbers(cells, pa.int64(), "a whole number (kind float has missing values)")
        missing = mask_of(pc.is_null(whole.values))
        return Converted(pc.fill_null(whole.values, 0), whole.bad | missing, whole.expected)
    return to_text(cells, trim=trim and kind == "category")


def _too_large(values: pa.Array, cells: pa.Array) -> Mask:
    """Where a finite number became infinite as float32."""
    infinite = ~mask_of(pc.is_finite(values)) & ~mask_of(pc.is_nan(values))
    if infinite.any():
        infinite &= mask_of(pc.is_finite(to_numbers(cells, pa.float64(), "").values))
    return infinite


def identity(cells: pa.Array) -> Converted:
    """Cells that name a sequence: text that is not empty, nor of several lines."""
    return _named(cells, r"^$|[\r\n]", "a value on one line")


def class_label(cells: pa.Array) -> Converted:
    """Cells that hold a class: as `identity`, and not nan."""
    return _named(cells, r"^$|[\r\n]|^[nN][aA][nN]$", "a class")


def _named(cells: pa.Array, unusable: str, expected: str) -> Converted:
    texts = to_text(cells)
    encoded = texts.values.dictionary_encode()  # most names occur often: each is looked at once
    wrong = mask_of(pc.match_substring_regex(encoded.dictionary, unusable))
    bad = wrong[encoded.indices.to_numpy()] if wrong.any() else np.zeros(len(cells), bool)
    return Converted(texts.values, texts.bad | bad, expected)


def number_label(cells: pa.Array) -> Converted:
    """Cells that hold the number to learn: float64, finite also as float32."""
    numbers = to_numbers(cells, pa.float64(), "a finite number")
    values = pc.fill_null(numbers.values, float("nan"))
    finite = pc.is_finite(pc.cast(values, pa.float32(), safe=False))
    return Converted(values, numbers.bad | ~mask_of(finite), numbers.expected)


def moments(cells: pa.Array, kind: pa.DataType) -> Converted:
    """Cells that hold a moment, as `first_moment` found its kind.

    Returns:
      float64 where the kind is, else int64: whole numbers, or microseconds or nanoseconds (the
      kind's unit) since 1970, in UTC where the source names zones.
    """
    expected = moment_words(kind)
    if not pa.types.is_timestamp(kind):
        numbers = to_numbers(cells, kind, expected)
        bad = numbers.bad | mask_of(pc.is_null(numbers.values))
        values = pc.fill_null(numbers.values, 0)
        if pa.types.is_floating(kind):
            bad |= ~mask_of(pc.less(pc.abs(values), _LATEST))
        return Converted(values, bad, expected)
    if is_text(cells.type):
        texts = to_text(cells).values
        times, bad = parse(texts, kind, TIMESTAMP_RE)
    else:
        times, bad = _from_typed(cells, kind)
    bad = bad | mask_of(pc.is_null(times))
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


_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


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
    missing = mask_of(pc.is_null(counted))
    moments = pc.fill_null(counted, 0).to_numpy(zero_copy_only=False)
    if want >= have:
        bad = np.abs(moments) > np.iinfo(np.int64).max // (want // have)
        moments = np.where(bad, 0, moments) * (want // have)
    else:  # finer than in the first rows: only what loses nothing
        bad = moments % (have // want) != 0
        moments = moments // (have // want)
    return pc.cast(pa.array(moments, pa.int64(), mask=missing), kind), bad

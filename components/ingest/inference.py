"""Infers what columns hold from their first cells: kinds of features, kinds of time."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.parsing import (
    FLOAT_RE,
    INTEGER_RE,
    TIMESTAMP_RE,
    flat,
    is_missing,
    is_text,
    mask_of,
    parse,
    pattern_of,
    to_text,
)
from pipeline.config import FeatureKind

_FOREIGN = {
    r"^[+-]?\d*,\d+$": "numbers with a decimal comma",
    r"^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( .*)?$": "dates that are not ISO 8601",
}
_EXACT_IN_FLOAT32 = 2**24  # the largest whole number up to which float32 misses none
_NO_NUMBERS = 0.5  # share of the cells up to which a column of numbers may hold what is none
_WORDS = 3.0  # blanks a cell, on average, from which on text is text and no category
_TOLD_APART = 20  # cells from which on "nearly all differ" means something
_MOMENTS = (
    pa.int64(), pa.float64(),
    pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.timestamp("ns", "UTC"),
)  # fmt: skip


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
    if not is_text(kind):
        return "category", f"expected numbers or text, got {kind}"
    converted = to_text(cells)
    if converted.bad.any():
        return "category", "it holds bytes that are no UTF-8 text"
    return _infer_text(converted.values)


def _infer_text(texts: pa.Array) -> tuple[FeatureKind, str | None]:
    present = texts.filter(pc.invert(is_missing(texts)))
    if not len(present):
        return "float", None
    if np.mean(parse(present, pa.float32(), FLOAT_RE)[1]) <= _NO_NUMBERS:
        # Some that are none do not matter: each is then an error with its place.
        whole = mask_of(pc.match_substring_regex(present, INTEGER_RE)).all()
        if whole and len(present) == len(texts):
            numbers, bad = parse(present, pa.int64(), INTEGER_RE)
            if not bad.any() and np.abs(numbers.to_numpy(zero_copy_only=False)).max() > _EXACT_IN_FLOAT32:
                return "integer", None
        return "float", None
    first = present[0].as_py()
    if not parse(present, pa.timestamp("us"), TIMESTAMP_RE)[1].all():
        return "category", f"it holds moments such as {first!r}; should it be data.time?"
    for pattern, words in _FOREIGN.items():
        if mask_of(pc.match_substring_regex(present, pattern)).all():
            return "category", f"it holds {words}, such as {first!r}; write them as 1.5 and 2015-02-04"
    if pc.mean(pc.count_substring(present, " ")).as_py() >= _WORDS:
        return "text", None
    distinct = pc.count_distinct(present).as_py()
    if len(present) >= _TOLD_APART and distinct > len(present) / 2:
        return "category", f"nearly every cell differs, such as {first!r}: is it an id?"
    return "category", None


def first_moment(sample: pa.ChunkedArray) -> pa.DataType | None:
    """The kind of time that most cells of a sample hold; None where hardly one is a moment.

    The first of these that fits wins: whole numbers, numbers, timestamps without and with a zone,
    in microseconds, else in nanoseconds.
    """
    cells = flat(sample)
    if not is_text(cells.type):
        return _typed_moment(cells.type)
    texts = to_text(cells).values
    texts = texts.filter(pc.not_equal(texts, ""))
    best, fewest = None, len(texts) / 2
    for kind in _MOMENTS:
        pattern = pattern_of(kind)
        bad = int(parse(texts, kind, pattern)[1].sum())
        if bad < fewest:
            best, fewest = kind, bad
    return best


def _typed_moment(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ns" if kind.unit == "ns" else "us", "UTC" if kind.tz else None)
    return pa.timestamp("us") if pa.types.is_date(kind) else None

"""Defects of identity and content: what is on both sides, twice, or contradicts itself."""

from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.leaks import splits
from benchmarks.leaks.planting import DoesNotApply, some_rows
from benchmarks.leaks.splits import Splits

Random = np.random.Generator


def same_id(data: Splits, share: float, random: Random) -> Splits:
    """Sequences of the evaluation split bear ids of training sequences; their content differs."""
    if data.config.data.window:
        raise DoesNotApply("a window's id is its place in the series: see window-overlap")
    rows = some_rows(len(data.eval), share, random)
    ids = splits.values(data.eval, "sequence_id")
    ids[rows] = random.choice(splits.values(data.train, "sequence_id"), len(rows), replace=False)
    return data.both(data.train, splits.with_values(data.eval, "sequence_id", ids))


def copy_across(data: Splits, share: float, random: Random) -> Splits:
    """Sequences of the evaluation split have the content of training sequences, under their own ids."""
    rows, source = _pairs(data, share, random)
    return data.both(data.train, splits.replaced(data.eval, rows, source, _content(data)))


def nearly_copy_across(data: Splits, strength: tuple[float, float], random: Random) -> Splits:
    """As `copy_across`, with noise in units of each feature's standard deviation."""
    if not data.numeric:
        raise DoesNotApply("no feature is a number")
    share, noise_sd = strength
    rows, source = _pairs(data, share, random)
    for name in data.numeric:
        scale = float(np.std(splits.values(data.train, name).astype(np.float64)))
        flat = splits.values(source, name)
        source = splits.with_values(
            source, name, flat + random.normal(scale=noise_sd * scale, size=len(flat))
        )
    return data.both(data.train, splits.replaced(data.eval, rows, source, _content(data)))


def reword_across(data: Splits, strength: tuple[float, int], random: Random) -> Splits:
    """As `copy_across`, with some words of each text changed; texts of ten words and more."""
    if not data.texts:
        raise DoesNotApply("no feature is a text")
    share, words = strength
    long_enough = _word_counts(data.train, data.texts[0]) >= 10
    pool = data.both(data.train.filter(pa.array(long_enough)), data.eval)
    rows, source = _pairs(pool, share, random)
    flat = splits.values(source, data.texts[0])
    changed = [_reworded(text, words, random) for text in flat]
    source = splits.with_values(source, data.texts[0], np.array(changed, object))
    return data.both(data.train, splits.replaced(data.eval, rows, source, _content(data)))


def copy_within(data: Splits, share: float, random: Random) -> Splits:
    """Training sequences have the content of other training sequences, under their own ids."""
    rows, source = _pairs_within(data, share, random)
    return data.both(splits.replaced(data.train, rows, source, _content(data)), data.eval)


def contradict(data: Splits, share: float, random: Random) -> Splits:
    """As `copy_within`, with another label."""
    rows, source = _pairs_within(data, share, random)
    labels = splits.values(source, data.label)
    if data.is_regression:
        other: Any = labels + np.std(splits.values(data.train, data.label))
    else:
        classes = np.unique(splits.values(data.train, data.label))
        by_class = dict(zip(classes, np.roll(classes, 1), strict=True))
        other = np.array([by_class[label] for label in labels], object)
    source = splits.with_values(source, data.label, other)
    return data.both(splits.replaced(data.train, rows, source, _content(data)), data.eval)


def _content(data: Splits) -> list[str]:
    """The columns that are the content of a sequence: features, label, length."""
    return [*data.features, data.label, "sequence_length"]


def _pairs(data: Splits, share: float, random: Random) -> tuple[Any, pa.Table]:
    rows = some_rows(len(data.eval), share, random)
    source = random.choice(len(data.train), len(rows), replace=False)
    return rows, _fitting(data, data.eval, rows, data.train.take(pa.array(source)))


def _pairs_within(data: Splits, share: float, random: Random) -> tuple[Any, pa.Table]:
    rows = some_rows(len(data.train), share, random)
    others = np.setdiff1d(np.arange(len(data.train)), rows)
    source = random.choice(others, len(rows), replace=False)
    return rows, _fitting(data, data.train, rows, data.train.take(pa.array(source)))


def _fitting(data: Splits, table: pa.Table, rows: Any, source: pa.Table) -> pa.Table:
    """The source; where there is time, every sequence must be as long as the one it replaces."""
    if "step_time" in data.train.column_names:
        wanted = splits.values(table, "sequence_length")[rows]
        if (splits.values(source, "sequence_length") != wanted).any():
            raise DoesNotApply("sequences with times have different lengths")
    return source


def _word_counts(table: pa.Table, name: str) -> Any:
    return np.array([len(text.split()) for text in splits.values(table, name)])


def _reworded(text: bytes, words: int, random: Random) -> bytes:
    parts = text.split()
    for place in random.choice(len(parts), words, replace=False):
        parts[place] = b"changed"
    return b" ".join(parts)

"""One row a sequence: what has to meet the same of other sequences, divided by a hash so that it does."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from components.auditor.contract import FLOAT
from components.auditor.expected import Expected
from components.auditor.lists import Ints, Lists
from components.auditor.profile import Profile
from components.auditor.records import Batch
from components.auditor.shape import LABEL_TIME, TIME
from components.auditor.sketches import (
    BANDS,
    content,
    hash_values,
    information,
    mix,
    seed_of,
    sketches,
    tokens,
)
from components.ingest.hashes import Hashes, hash_text

CONTENT, NEAR, SERIES = "content", "near", "series"
EVAL, TRAIN = "eval", "train"
NO_TIME = np.iinfo(np.int64).min

Table = dict[str, npt.NDArray[Any]]


def tables(batch: Batch, expected: Expected, profile: Profile) -> Iterator[tuple[str, Table]]:
    """The rows of a batch, under the name of what is looked for in them.

    Every table has `key` (uint64: sequences that have to meet have the same), `ref` and `evaluated`.

    - `content`: `label` (a hash) and `bits` of information.
    - `near`: `content`, `bits` and `signature`; BANDS rows a sequence.
    - `series`: `start` and `length` in steps, `first` and `last` time, `label_time`, `label`.
    """
    rows = len(batch)
    features = {name: column for name, column in batch.columns.items() if expected.is_feature(name)}
    shared: Table = {"ref": batch.refs, "evaluated": np.full(rows, batch.split == EVAL)}
    hashes, bits = content(features, rows), information(features, rows, profile)
    labels = label_hashes(batch, expected)
    steps = step_counts(features, rows)
    filled = steps > 0
    exact: Table = {"key": hashes, "label": labels, "bits": bits.astype(np.float32), **shared}
    yield CONTENT, {name: values[filled] for name, values in exact.items()}
    found = sketches(tokens(features, rows, profile), rows)
    near = {"content": hashes, "bits": exact["bits"], "signature": found.signatures, **shared}
    near = {name: np.repeat(values[filled], BANDS, axis=0) for name, values in near.items()}
    yield NEAR, {"key": found.keys[filled].reshape(-1), **near}
    first, last = _times(batch)
    yield (
        SERIES,
        {
            "key": series_keys(batch, expected),
            "start": single(batch, "window_start", 0),
            "length": steps,
            "first": first,
            "last": last,
            "label_time": single(batch, LABEL_TIME, NO_TIME),
            "label": labels,
            **shared,
        },
    )


def step_counts(features: Mapping[str, Lists], rows: int) -> Ints:
    """Steps of each sequence: the values of its longest feature, [rows]."""
    longest = np.zeros(rows, np.int64)
    for column in features.values():
        longest = np.maximum(longest, column.lengths)
    return longest


def series_keys(batch: Batch, expected: Expected) -> Hashes:
    """A hash of the series of each window, or of the id of each sequence, [N]; without one, of its place."""
    if expected.one_series:
        return np.full(len(batch), seed_of("one series"))
    keys = mix(batch.refs.astype(np.uint64) ^ seed_of("no id"))
    column = batch.columns.get("series_id") or batch.columns.get("sequence_id")
    if column is not None and len(column.values):
        values, rows = column.firsts()
        keys[rows] = hash_text(values)
    return keys


def label_hashes(batch: Batch, expected: Expected) -> Hashes:
    """A hash of the label of each sequence, 0 where it has none, [N]."""
    found = np.zeros(len(batch), np.uint64)
    column = batch.columns.get(expected.label or "")
    if column is not None and len(column.values):
        values, rows = column.firsts()
        firsts = Lists(column.kind, values, np.arange(len(values) + 1), np.ones(len(values), bool))
        found[rows] = hash_values(firsts)
        if column.kind == FLOAT:
            found[rows[np.isnan(firsts.numbers())]] = 0
    return found


def single(batch: Batch, name: str, missing: int) -> Ints:
    """A whole number of each Example, [N]; `missing` where it has none."""
    found = np.full(len(batch), missing, np.int64)
    column = batch.columns.get(name)
    if column is not None and len(column.values):
        values, rows = column.firsts()
        found[rows] = values.to_numpy()
    return found


def _times(batch: Batch) -> tuple[Ints, Ints]:
    """The first and last time of each sequence."""
    first, last = np.full(len(batch), NO_TIME), np.full(len(batch), NO_TIME)
    column = batch.columns.get(TIME)
    if column is not None and len(column.values):
        filled, times = column.lengths > 0, column.numbers()
        first[filled] = times[column.offsets[:-1][filled]]
        last[filled] = times[column.offsets[1:][filled] - 1]
    return first, last


def divided(table: Table, parts: int) -> Iterator[tuple[int, Table]]:
    """A table in parts by its key: rows that have to meet are in parts of the same number."""
    if parts == 1:
        yield 0, table
        return
    part = (table["key"] % np.uint64(parts)).astype(np.int64)
    order = np.argsort(part, kind="stable")
    starts = np.searchsorted(part[order], np.arange(parts + 1))
    for number in range(parts):
        if starts[number] < starts[number + 1]:
            chosen = order[starts[number] : starts[number + 1]]
            yield number, {name: values[chosen] for name, values in table.items()}


def together(tables_: Iterable[Table]) -> Table:
    """Tables one after the other, in the order of their records."""
    found = list(tables_)
    whole = {name: np.concatenate([table[name] for table in found]) for name in found[0]}
    order = np.argsort(whole["ref"], kind="stable")
    return {name: values[order] for name, values in whole.items()}

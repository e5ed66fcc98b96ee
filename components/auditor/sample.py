"""A bounded sample of each split, the same whatever the order in which its parts come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.auditor.expected import Expected
from components.auditor.lists import ARROW_TYPES, Ints, Lists, Mask
from components.auditor.profile import Profile
from components.auditor.records import Batch
from components.auditor.shape import TIME
from components.auditor.sketches import mix
from components.auditor.tables import EVAL, series_keys, single
from components.ingest.hashes import Hashes

MOST_SEQUENCES, LEAST_SEQUENCES, MOST_BYTES = 20_000, 500, 128 << 20
_WINDOWS_A_BLOCK = 64  # neighbours are sampled together, so that changes of a label can be seen
_KEY, _REF, _SERIES, _START, _EVALUATED = "\0key", "\0ref", "\0series", "\0start", "\0evaluated"
_OWN = (_KEY, _REF, _SERIES, _START, _EVALUATED)


@dataclass(frozen=True)
class Sample:
    """N sequences of both splits.

    Attributes:
      columns: their features, label and ids.
      refs: [N] references of the records.
      series: [N] a hash of the series, or of the sequence's id.
      start: [N] first step of a window in its series.
      evaluated: [N] whether it is of the evaluation split.
    """

    columns: Mapping[str, Lists]
    refs: Ints
    series: Hashes
    start: Ints
    evaluated: Mask

    def __len__(self) -> int:
        return len(self.refs)

    def take(self, rows: Ints) -> "Sample":
        """Some of the sequences."""
        return Sample(
            {name: column.take(rows) for name, column in self.columns.items()},
            self.refs[rows], self.series[rows], self.start[rows], self.evaluated[rows],
        )  # fmt: skip


def size(profile: Profile) -> int:
    """Sequences kept of each split: fewer where they are large."""
    return int(np.clip(MOST_BYTES / max(1.0, profile.record_bytes), LEAST_SEQUENCES, MOST_SEQUENCES))


def rows_of(batch: Batch, expected: Expected, profile: Profile) -> pa.Table:
    """The sequences of a batch that a sample may hold, with the keys by which it chooses."""
    series = series_keys(batch, expected)
    start = single(batch, "window_start", 0)
    block = start // (_WINDOWS_A_BLOCK * expected.stride) if expected.windows else start * 0
    own = {
        _KEY: mix(series ^ mix(block.astype(np.uint64))),
        _REF: batch.refs,
        _SERIES: series,
        _START: start,
        _EVALUATED: np.full(len(batch), batch.split == EVAL),
    }
    names = [
        name
        for name in sorted(profile.types)
        if expected.is_feature(name) or name in (expected.label, "sequence_id", "series_id", TIME)
    ]
    columns: dict[str, pa.Array] = {name: pa.array(values) for name, values in own.items()}
    for name in names:
        kind = profile.types[name]
        column = batch.columns.get(name)
        columns[name] = (
            pa.nulls(len(batch), ARROW_TYPES[kind])
            if column is None or column.kind != kind
            else _list(column)
        )
    return smallest(pa.table(columns), size(profile))


def _list(column: Lists) -> pa.Array:
    offsets = pa.array(column.offsets, pa.int64(), mask=np.append(~column.present, False))
    return pa.LargeListArray.from_arrays(offsets, column.values)


def smallest(rows: pa.Table, most: int) -> pa.Table:
    """The rows with the smallest keys of each split, at most so many, in the order of the records."""
    keys, refs = rows.column(_KEY).to_numpy(), rows.column(_REF).to_numpy()
    evaluated = rows.column(_EVALUATED).to_numpy()
    kept = []
    for side in (False, True):
        own = np.flatnonzero(evaluated == side)
        kept.append(own[np.lexsort([refs[own], keys[own]])[:most]])
    chosen = np.concatenate(kept)
    return rows.take(pa.array(chosen[np.argsort(refs[chosen], kind="stable")]))


def joined(parts: Iterable[pa.Table], most: int) -> pa.Table:
    """Samples of parts as the sample of the whole."""
    return smallest(pa.concat_tables(list(parts)).combine_chunks(), most)


def sample_of(rows: pa.Table | None) -> Sample:
    """The sample that rows are."""
    if rows is None:
        nothing = np.zeros(0, np.int64)
        return Sample({}, nothing, nothing.astype(np.uint64), nothing, nothing.astype(bool))
    arrays = {name: _whole(rows.column(name)) for name in rows.column_names}
    own: dict[str, npt.NDArray[np.generic]] = {
        name: np.asarray(arrays[name].to_numpy(zero_copy_only=False)) for name in _OWN
    }
    return Sample(
        {name: Lists.of(array) for name, array in arrays.items() if name not in _OWN},
        own[_REF].astype(np.int64), own[_SERIES].astype(np.uint64), own[_START].astype(np.int64),
        own[_EVALUATED].astype(bool),
    )  # fmt: skip


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)

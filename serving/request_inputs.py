"""Turns what a caller has into the tensors of the signature `sequences`, in columns throughout.

Cells become values by the same rules as in training: see `components.ingest.cells`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest import cells
from components.ingest.names import argument_name
from components.ingest.parsing import is_list, list_lengths
from components.ingest.piece import whole_column
from pipeline.config import FeatureKind
from pipeline.words import nearest
from serving.call_errors import BadRequest
from serving.loader.signatures import Signature
from serving.loader.tensors import STRING, numpy_kind

LENGTHS, MAX_NEW_TOKENS = "lengths", "max_new_tokens"
KINDS: dict[int, FeatureKind] = {1: "float", 9: "integer", STRING: "category"}
# What NumPy, Arrow and pandas say of values that are no numbers and no text, or are too large.
_UNREADABLE = (TypeError, ValueError, KeyError, OverflowError, pa.ArrowException)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """N sequences, their steps one after the other.

    Attributes:
      lengths: [N] steps of each.
      columns: feature, under its own name, to [steps] float32, int64 or text.
      ids: [N] text, where the caller named them.
    """

    lengths: Ints
    columns: Mapping[str, pa.Array]
    ids: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.lengths)


def features_of(signature: Signature) -> dict[str, int]:
    """The features that a signature asks for: argument name to the number of its DataType."""
    tensors = {name: one for name, one in signature.inputs.items() if name not in (LENGTHS, MAX_NEW_TOKENS)}
    return {name: one.kind for name, one in tensors.items()}


def read(
    sequences: Any,
    features: Mapping[str, int],
    *,
    lengths: Sequence[int] | Ints | None = None,
    sequence_id: str = "sequence_id",
    time: str | None = None,
) -> Sequences:
    """Sequences of a table, of arrays or of texts.

    Args:
      sequences: a pandas DataFrame or pyarrow Table, with a row a step, or a row a sequence and a list in
        each cell; a mapping of feature to [batch, steps] or to a list of [steps], of unequal lengths; or
        texts, each a sequence of one step, for a model with one feature of text.
      features: see `features_of`.
      lengths: [batch], where arrays are padded; what stands behind them is left out.
      sequence_id: column of a table whose rows with one value form one sequence, in the order in which
        they first occur; without such a column each row is a sequence.
      time: column of a table that orders the steps; without it they are in the order of the rows.

    Raises:
      BadRequest: features are missing, unknown or of another type; every such mistake is named.
    """
    try:
        return _converted(_found(sequences, features, lengths, sequence_id, time), features)
    except _UNREADABLE as error:
        raise BadRequest(
            f"expected numbers or text in each feature, which cannot be read: {error}"
        ) from error


def _found(
    sequences: Any,
    features: Mapping[str, int],
    lengths: Sequence[int] | Ints | None,
    sequence_id: str,
    time: str | None,
) -> Sequences:
    if isinstance(sequences, Mapping):
        return _of_arrays(sequences, lengths)
    if lengths is not None:
        raise BadRequest("lengths belong to padded arrays; of a table each sequence has its own")
    if isinstance(sequences, Sequence) and all(isinstance(one, str | bytes) for one in sequences):
        return _of_texts(list(sequences), features)
    return _of_table(_table(sequences), sequence_id, time)


def tensors(sequences: Sequences, signature: Signature, rows: slice) -> dict[str, npt.NDArray[Any]]:
    """Some sequences as a tensor a feature, padded with 0 or empty text, and `lengths`.

    Args:
      sequences: what `read` gave.
      signature: what is asked.
      rows: which of them.

    Returns:
      Argument name to [rows, steps]; at least one step, for JSON has no shape for none.
    """
    lengths = sequences.lengths[rows]
    first = int(sequences.lengths[: rows.start].sum())
    steps = int(lengths.sum())
    inside = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
    found: dict[str, npt.NDArray[Any]] = {LENGTHS: lengths}
    for name, values in sequences.columns.items():
        argument = argument_name(name)
        kind = numpy_kind(signature.inputs[argument].kind)
        padded = np.full(inside.shape, b"" if kind is np.object_ else 0, kind)
        part = values.slice(first, steps)
        part = pc.cast(part, pa.binary()) if pa.types.is_string(part.type) else part
        padded[inside] = part.to_numpy(zero_copy_only=False)
        found[argument] = padded
    return found


def _table(table: Any) -> pa.Table:
    if isinstance(table, pa.Table):
        return table
    if hasattr(table, "columns") and hasattr(table, "to_numpy"):  # pandas need not be imported to tell
        return pa.Table.from_pandas(table, preserve_index=False)
    raise BadRequest(
        "expected a pandas DataFrame, a pyarrow Table, a mapping of arrays, or texts; "
        f"got {type(table).__name__}"
    )


def _of_table(table: pa.Table, sequence_id: str, time: str | None) -> Sequences:
    if time is not None and time not in table.column_names:
        raise BadRequest(f"no column {time!r} to order the steps by{nearest(time, table.column_names)}")
    named = sequence_id in table.column_names
    names = [name for name in table.column_names if name not in (sequence_id, time)]
    lists = [name for name in names if is_list(table.column(name).type)]
    ids = _ids(sequence_id, whole_column(table.column(sequence_id))) if named else None
    if lists:
        return _of_lists(table, names, lists, ids)
    columns = {name: whole_column(table.column(name)) for name in names}
    if ids is None:
        return Sequences(np.ones(len(table), np.int64), columns)
    encoded = ids.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    keys = [codes]
    if time is not None:
        times = whole_column(table.column(time))
        _refuse_missing(time, times)
        keys.insert(0, times.to_numpy(zero_copy_only=False))
    order = pa.array(np.lexsort(keys))
    lengths = np.bincount(codes, minlength=len(encoded.dictionary)).astype(np.int64)
    return Sequences(lengths, {name: one.take(order) for name, one in columns.items()}, encoded.dictionary)


def _ids(name: str, values: pa.Array) -> pa.Array:
    """The names of sequences, as text."""
    _refuse_missing(name, values)
    return cells.identity(values).values


def _refuse_missing(name: str, values: pa.Array) -> None:
    """Raises BadRequest where a column that groups or orders steps has cells without a value."""
    if missing := pc.sum(pc.is_null(values, nan_is_null=pa.types.is_floating(values.type))).as_py():
        raise BadRequest(f"{name!r}: expected a value in each row, {missing} of {len(values)} have none")


def _of_lists(table: pa.Table, names: list[str], lists: list[str], ids: pa.Array | None) -> Sequences:
    columns = {name: whole_column(table.column(name)) for name in lists}
    lengths = {name: list_lengths(one) for name, one in columns.items()}
    if single := [name for name in names if name not in lists]:
        raise BadRequest(
            f"{', '.join(single)}: expected a list in each cell, as in {lists[0]}, got one value"
        )
    return Sequences(_one_length(lengths), {name: one.flatten() for name, one in columns.items()}, ids)


def _of_arrays(arrays: Mapping[str, Any], lengths: Sequence[int] | Ints | None) -> Sequences:
    if not arrays:
        raise BadRequest("expected an array for each feature, got none")
    if wrong := [name for name in arrays if not isinstance(name, str)]:
        raise BadRequest(f"expected features by name, each a str, got {wrong[:10]}")
    given = None if lengths is None else _whole(lengths)
    columns, found = {}, {}
    for name, array in arrays.items():
        columns[name], found[name] = _flat(name, array, given)
    return Sequences(_one_length(found), columns)


def _whole(lengths: Sequence[int] | Ints) -> Ints:
    found = np.asarray(lengths)
    if found.size and found.dtype.kind not in "iu":
        raise BadRequest(f"lengths: expected whole numbers, got {found.tolist()[:10]}")
    return found.astype(np.int64)


def _flat(name: str, array: Any, lengths: Ints | None) -> tuple[pa.Array, Ints]:
    """The steps of an array one after the other, and how many of them each sequence has."""
    if not isinstance(array, np.ndarray) or array.ndim == 1:
        rows = [_row(row) for row in array]
        if wrong := [row.shape for row in rows if row.ndim != 1]:
            raise BadRequest(f"{name}: expected [batch, steps] or a list of [steps], got a row of {wrong[0]}")
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        if lengths is not None and not np.array_equal(sizes, lengths):
            raise BadRequest(f"{name}: rows have lengths of their own, which are not those of `lengths`")
        rows = [row for row in rows if len(row)]  # an empty one is float64, whatever the others are
        return _arrow(name, np.concatenate(rows) if rows else np.zeros(0)), sizes
    if array.ndim != 2:
        raise BadRequest(f"{name}: expected [batch, steps], got {list(array.shape)}")
    batch, width = array.shape
    if lengths is None:
        return _arrow(name, array.reshape(-1)), np.full(batch, width, np.int64)
    if lengths.shape != (batch,) or lengths.min(initial=0) < 0 or lengths.max(initial=0) > width:
        raise BadRequest(
            f"lengths: expected {batch} of 0 to {width}, as {name} has, got {lengths.tolist()[:10]}"
        )
    return _arrow(name, array[np.arange(width) < lengths[:, None]]), lengths


def _row(row: Any) -> npt.NDArray[Any]:
    """A row as array; NumPy's own texts would lose a NUL at their end."""
    array = np.asarray(row)
    return np.asarray(row, np.object_) if array.dtype.kind in "US" else array


def _arrow(name: str, values: npt.NDArray[Any]) -> pa.Array:
    try:
        return pa.array(values.tolist() if values.dtype.kind in "OUS" else values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise BadRequest(f"{name}: expected numbers or text, got {values.dtype} ({error})") from error


def _of_texts(texts: list[str | bytes], features: Mapping[str, int]) -> Sequences:
    if list(features.values()) != [STRING]:
        raise BadRequest(
            f"texts are for a model with one feature of text; this one reads {', '.join(sorted(features))}"
        )
    kept = pa.array([one.encode() if isinstance(one, str) else one for one in texts], pa.binary())
    return Sequences(np.ones(len(texts), np.int64), dict.fromkeys(features, kept))


def _one_length(lengths: Mapping[str, Ints]) -> Ints:
    """The lengths that all features share."""
    (first, expected), *others = lengths.items()
    for name, found in others:
        if len(found) != len(expected):
            raise BadRequest(f"{name} has {len(found)} sequences, {first} has {len(expected)}")
        if len(differs := np.flatnonzero(found != expected)):
            row = int(differs[0])
            raise BadRequest(
                f"sequence {row}: {name} has {found[row]} steps, {first} has {expected[row]}; "
                "give one for each step, NaN or empty text where it is missing"
            )
    return expected


def _converted(sequences: Sequences, features: Mapping[str, int]) -> Sequences:
    """The features as the model takes them, every mistake reported."""
    named: dict[str, list[str]] = {}
    for name in sequences.columns:
        named.setdefault(argument_name(name), []).append(name)
    problems = [
        f"{' and '.join(map(repr, same))} are both {name} in a request; leave one out"
        for name, same in named.items()
        if len(same) > 1
    ]
    problems += [
        f"{same[0]!r} is no feature of the model{nearest(same[0], sorted(features))}"
        for name, same in named.items()
        if name not in features
    ]
    problems += [f"{name!r} is missing" for name in sorted(features) if name not in named]
    if problems:
        raise BadRequest("; ".join(problems))
    ends = np.cumsum(sequences.lengths)
    columns = {}
    for argument, kind in features.items():
        if kind not in KINDS:
            raise BadRequest(f"{argument}: the model wants DataType {kind}, which no column can be")
        name = named[argument][0]
        found = cells.feature(_wide(sequences.columns[name]), KINDS[kind])
        columns[name] = found.values
        if found.bad.any():
            problems.append(_wrong(name, found.expected, sequences.columns[name], found.bad, ends))
    if problems:
        raise BadRequest("; ".join(problems))
    return Sequences(sequences.lengths, columns, sequences.ids)


def _wide(values: pa.Array) -> pa.Array:
    """Half floats as float32, for Arrow casts none."""
    if not pa.types.is_float16(values.type):
        return values
    return pa.array(values.to_numpy(zero_copy_only=False).astype(np.float32))


def _wrong(name: str, expected: str, values: pa.Array, bad: npt.NDArray[np.bool_], ends: Ints) -> str:
    place = int(np.flatnonzero(bad)[0])
    row = int(np.searchsorted(ends, place, side="right"))
    step = place - (int(ends[row - 1]) if row else 0)
    got = values[place].as_py()
    more = f", and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""
    return f"{name!r}: expected {expected}, got {got!r} in sequence {row}, step {step}{more}"

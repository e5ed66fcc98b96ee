"""Columns of Examples as flat values with the place where each sequence's begin."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.auditor.contract import BYTES, FLOAT, INT

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_ITEMS = {FLOAT: pa.float32(), INT: pa.int64(), BYTES: pa.large_binary()}
ARROW_TYPES = {kind: pa.large_list(item) for kind, item in _ITEMS.items()}


def kind_of(column: pa.DataType) -> str | None:
    """`float`, `int` or `bytes` for the type of a column of lists; None where it holds nothing."""
    if not pa.types.is_large_list(column) and not pa.types.is_list(column):
        return None
    item = column.value_type
    if pa.types.is_null(item):
        return None
    return FLOAT if pa.types.is_floating(item) else INT if pa.types.is_integer(item) else BYTES


@dataclass(frozen=True)
class Lists:
    """One feature of N Examples.

    Attributes:
      kind: `float`, `int` or `bytes`.
      values: all values, one Example after the other.
      offsets: [N + 1] where the values of each begin; last, their number.
      present: [N] whether the Example has the feature at all.
    """

    kind: str
    values: pa.Array
    offsets: Ints
    present: Mask

    @classmethod
    def of(cls, column: pa.Array) -> "Lists":
        """Views a column of lists; nothing is copied unless it begins within its buffer."""
        kind = kind_of(column.type)
        if kind is None:
            return cls(FLOAT, pa.array([], pa.float32()), np.zeros(len(column) + 1, np.int64), _none(column))
        present = ~np.asarray(column.is_null()) if column.null_count else np.ones(len(column), bool)
        offsets = column.offsets.to_numpy().astype(np.int64)
        return cls(
            kind, column.values.slice(offsets[0], offsets[-1] - offsets[0]), offsets - offsets[0], present
        )

    @property
    def lengths(self) -> Ints:
        """Values of each Example, [N]."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> Ints:
        """The Example that each value is of, [values]."""
        return np.repeat(np.arange(len(self.present)), self.lengths)

    def numbers(self) -> npt.NDArray[Any]:
        """The values as float32 or int64, [values]."""
        return np.asarray(self.values.to_numpy(zero_copy_only=False))

    def take(self, rows: Ints) -> "Lists":
        """Some of the Examples."""
        column = pa.LargeListArray.from_arrays(pa.array(self.offsets), self.values).take(pa.array(rows))
        taken = Lists.of(column)
        return Lists(self.kind, taken.values, taken.offsets, self.present[rows])

    def firsts(self) -> tuple[pa.Array, Ints]:
        """The first value of each Example that has any, and the number of that Example."""
        rows = np.flatnonzero(self.lengths > 0)
        return self.values.take(pa.array(self.offsets[rows])), rows

    def per_row(self, of_values: Mask) -> Ints:
        """How many values of each Example are marked, [N]."""
        totals = np.concatenate([[0], np.cumsum(of_values)])
        counts: Ints = totals[self.offsets[1:]] - totals[self.offsets[:-1]]
        return counts


def _none(column: pa.Array) -> Mask:
    return np.zeros(len(column), bool)

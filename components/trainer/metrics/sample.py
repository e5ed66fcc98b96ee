"""A few rows of many, chosen by their hashes: the same ones however the data is divided."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

_Floats = npt.NDArray[np.float64]
_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Sample:
    """The rows with the smallest hashes.

    Attributes:
      most: rows that are kept.
      hashes: of each row, ascending, [n].
      rows: numbers, [n, W].
      distinct: whether of rows with one hash one is kept.
    """

    most: int
    hashes: _Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    rows: _Floats = field(default_factory=lambda: np.zeros((0, 0)))
    distinct: bool = False

    def plus(self, hashes: _Hashes, rows: npt.NDArray[np.float64]) -> "Sample":
        """With these rows taken into account."""
        if not len(hashes):
            return self
        if len(self.hashes):
            hashes, rows = np.concatenate([self.hashes, hashes]), np.concatenate([self.rows, rows])
        order = np.argsort(hashes, kind="stable")
        if self.distinct:
            order = order[np.unique(hashes[order], return_index=True)[1]]
        kept = order[: self.most]
        return Sample(self.most, hashes[kept], rows[kept], self.distinct)

    def __add__(self, other: "Sample") -> "Sample":
        return self.plus(other.hashes, other.rows)


def hashes_of(rows: npt.NDArray[np.float64]) -> _Hashes:
    """A hash of each row of numbers [n, W], by their bits and places, where -0 is 0."""
    bits = np.ascontiguousarray(rows + 0.0, np.float64).view(np.uint64)
    places = _mixed(np.arange(1, rows.shape[1] + 1, dtype=np.uint64))
    cells = _mixed((bits ^ places).ravel()).reshape(bits.shape)
    return _mixed(cells.sum(axis=1, dtype=np.uint64))


def _mixed(values: _Hashes) -> _Hashes:
    mixed: _Hashes = pd.util.hash_array(values, categorize=False)
    return mixed

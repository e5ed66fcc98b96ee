"""A first look at some training records: what their features are like, so that all are read alike.

The records looked at are those with the smallest hashes, the same however they are divided into files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.auditor.contract import BYTES, FLOAT, INT, Contract
from components.auditor.expected import Expected
from components.auditor.lists import Lists

LOOKED_AT = 2_000  # records
_CELLS_A_DEVIATION, _CELLS_A_CHANGE = 10, 4  # rounding of numbers for near-duplicates
_FEWEST_PAIRS = 100  # changes from the same value that are compared with each other
# What ingest adds has these types, whatever a schema says.
_RESERVED_TYPES = {
    "sequence_id": BYTES, "series_id": BYTES, "sequence_length": INT, "window_start": INT,
    "step_time": INT, "label_time": INT,
}  # fmt: skip
_IN_A_TOKEN, _TOKEN_BITS, _MOST_STEPS = 3, 12.0, 8
_TEXT_CHARACTERS = 12.0  # on average; a feature of longer values is text, of shorter ones a category


@dataclass(frozen=True)
class FeatureProfile:
    """What one feature is like.

    Attributes:
      grid: cell that numbers are rounded to for near-duplicates; 0: not rounded.
      first_bits: collision entropy of its values.
      change_bits: collision entropy of a change: of the differences of neighbouring values that differ, or of
        the next value where the one before it is known, whichever is less.
      is_text: whether its values are words rather than categories.
    """

    grid: float
    first_bits: float
    change_bits: float
    is_text: bool


@dataclass(frozen=True)
class Group:
    """Features whose values at a step make a token together, and how many steps in a row do."""

    features: tuple[str, ...]
    steps: int


@dataclass(frozen=True)
class Profile:
    """What the features are like.

    Attributes:
      types: feature of the Examples to `float`, `int` or `bytes`; also of what is no feature of the model.
      features: the features that the model reads.
      single: those with one value in every sequence while others have one a step.
      groups: how steps become tokens.
      record_bytes: of a record, on average and unpacked.
    """

    types: Mapping[str, str]
    features: Mapping[str, FeatureProfile]
    single: frozenset[str]
    groups: tuple[Group, ...]
    record_bytes: float

    @property
    def texts(self) -> list[str]:
        """Features of words."""
        return sorted(name for name, feature in self.features.items() if feature.is_text)


def profile_of(
    columns: Mapping[str, Lists],
    expected: Expected,
    contract: Contract,
    deviations: Mapping[str, float],
) -> Profile:
    """What some records show.

    Args:
      columns: their features.
      expected: what is a feature of the model.
      contract: the types that the schema says.
      deviations: feature to the standard deviation of its values, where statistics have it.
    """
    types = {name: column.kind for name, column in columns.items() if len(column.values)} | dict(
        contract.types
    )
    types |= {name: kind for name, kind in _RESERVED_TYPES.items() if name in types}
    if expected.regression and types.get(str(expected.label)) == BYTES:
        types[str(expected.label)] = FLOAT
    own = {name: columns[name] for name in sorted(columns) if expected.is_feature(name)}
    features = {name: _feature(column, deviations.get(name)) for name, column in own.items()}
    longest = max((int(column.lengths.max(initial=0)) for column in own.values()), default=0)
    single = {name for name, column in own.items() if longest > 1 and column.lengths.max(initial=0) <= 1}
    rows = max((len(column.present) for column in columns.values()), default=0)
    size = sum(column.values.nbytes for column in columns.values()) / max(1, rows)
    stepwise = [name for name in own if name not in single and not features[name].is_text]
    return Profile(
        types,
        features,
        frozenset(single),
        tuple(_groups(stepwise, own, features)),
        size,
    )


def standard_deviations(statistics: statistics_pb2.DatasetFeatureStatistics | None) -> dict[str, float]:
    """The standard deviation of each feature of numbers, from StatisticsGen."""
    return {
        feature.path.step[0]: feature.num_stats.std_dev
        for feature in (statistics.features if statistics else ())
        if feature.path.step and feature.WhichOneof("stats") == "num_stats"
    }


def _feature(column: Lists, deviation: float | None) -> FeatureProfile:
    codes = _codes(column)
    changed = np.append(False, codes[1:] != codes[:-1])[: len(codes)]
    changed[column.offsets[:-1][column.lengths > 0]] = False
    if column.kind == BYTES:
        text = bool(len(codes)) and pc.mean(pc.binary_length(column.values)).as_py() > _TEXT_CHARACTERS
        return FeatureProfile(0.0, collision_bits(codes), _change_bits(codes, codes, changed), text)
    numbers = column.numbers().astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if deviation is None or not np.isfinite(deviation):
        deviation = float(finite.std()) if len(finite) else 0.0
    # Halved, that the difference of two of the largest numbers is still one.
    differences = 2 * np.diff(np.where(np.isfinite(numbers), numbers, 0) / 2, prepend=0.0)
    grid = deviation / _CELLS_A_DEVIATION
    if changed.any():
        grid = min(grid, float(differences[changed].std()) / _CELLS_A_CHANGE) or grid
    bits = _change_bits(codes, np.round(differences, 9), changed)
    return FeatureProfile(grid, collision_bits(codes), bits, False)


def _codes(column: Lists) -> npt.NDArray[np.int64]:
    return np.asarray(column.values.dictionary_encode().indices.to_numpy(zero_copy_only=False), np.int64)


def _change_bits(
    codes: npt.NDArray[np.int64], differences: npt.NDArray[Any], changed: npt.NDArray[np.bool_]
) -> float:
    places = np.flatnonzero(changed)
    alone = collision_bits(differences[places])
    _, often = np.unique(codes[places - 1], return_counts=True)
    pairs = float((often.astype(np.float64) * (often - 1) / 2).sum())
    if pairs < _FEWEST_PAIRS:
        return alone
    _, both = np.unique(codes[places - 1] * (codes.max() + 1) + codes[places], return_counts=True)
    equal = float((both.astype(np.float64) * (both - 1) / 2).sum())
    return min(alone, float(np.log2(pairs / max(1.0, equal))))


def collision_bits(values: npt.NDArray[np.generic]) -> float:
    """-log2 of the probability that two of the values are equal, estimated without bias.

    Where no two are, the value for one pair.
    """
    count = len(values)
    if count < 2:
        return 0.0
    _, often = np.unique(values, return_counts=True)
    pairs = count * (count - 1) / 2
    equal = max(1.0, float((often.astype(np.float64) * (often - 1) / 2).sum()))
    return float(np.log2(pairs / equal))


def _groups(
    names: list[str], columns: Mapping[str, Lists], features: Mapping[str, FeatureProfile]
) -> Iterable[Group]:
    for begin in range(0, len(names), _IN_A_TOKEN):
        members = tuple(names[begin : begin + _IN_A_TOKEN])
        bits = sum(_rounded_bits(columns[name], features[name].grid) for name in members)
        steps = int(np.ceil(_TOKEN_BITS / max(bits, _TOKEN_BITS / _MOST_STEPS)))
        yield Group(members, steps)


def _rounded_bits(column: Lists, grid: float) -> float:
    if column.kind == BYTES or grid <= 0:
        return collision_bits(_codes(column))
    numbers = column.numbers().astype(np.float64)
    return collision_bits(
        np.rint(np.clip(np.nan_to_num(numbers, posinf=1e30, neginf=-1e30), -1e30, 1e30) / grid)
    )

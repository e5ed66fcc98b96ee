"""A first look at the training split: what its features are like, so that all records are read alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.auditor.contract import BYTES, Contract
from components.auditor.expected import Expected
from components.auditor.lists import Lists

LOOKED_AT = 2_000  # records
_CELLS_A_DEVIATION = 10  # rounding of numbers for near-duplicates
_IN_A_TOKEN, _TOKEN_BITS, _MOST_STEPS = 3, 12.0, 8
_TEXT_CHARACTERS = 12.0  # on average; a feature of longer values is text, of shorter ones a category


@dataclass(frozen=True)
class FeatureProfile:
    """What one feature is like.

    Attributes:
      grid: cell that numbers are rounded to for near-duplicates; 0: not rounded.
      first_bits: collision entropy of its values.
      change_bits: collision entropy of the differences of neighbouring values that differ.
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
    """Looks at the first records of the training split.

    Args:
      columns: their features.
      expected: what is a feature of the model.
      contract: the types that the schema says.
      deviations: feature to the standard deviation of its values, where statistics have it.
    """
    types = {name: column.kind for name, column in columns.items() if len(column.values)}
    own = {name: columns[name] for name in sorted(columns) if expected.is_feature(name)}
    features = {name: _feature(column, deviations.get(name)) for name, column in own.items()}
    longest = max((int(column.lengths.max(initial=0)) for column in own.values()), default=0)
    single = {name for name, column in own.items() if longest > 1 and column.lengths.max(initial=0) <= 1}
    rows = max((len(column.present) for column in columns.values()), default=0)
    size = sum(column.values.nbytes for column in columns.values()) / max(1, rows)
    stepwise = [name for name in own if name not in single and not features[name].is_text]
    return Profile(
        types | dict(contract.types),
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
    values = _codes(column)
    if column.kind == BYTES:
        text = (
            bool(len(column.values)) and pc.mean(pc.binary_length(column.values)).as_py() > _TEXT_CHARACTERS
        )
        changed = _changes(values, values, column)
        return FeatureProfile(0.0, collision_bits(values), collision_bits(changed), text)
    numbers = column.numbers().astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if deviation is None or not np.isfinite(deviation):
        deviation = float(finite.std()) if len(finite) else 0.0
    differences = np.diff(np.where(np.isfinite(numbers), numbers, 0), prepend=0.0)
    changed = _changes(values, np.round(differences, 9), column)
    return FeatureProfile(
        deviation / _CELLS_A_DEVIATION, collision_bits(values), collision_bits(changed), False
    )


def _codes(column: Lists) -> npt.NDArray[np.int64]:
    return np.asarray(column.values.dictionary_encode().indices.to_numpy(zero_copy_only=False), np.int64)


def _changes(
    values: npt.NDArray[np.int64], of: npt.NDArray[np.generic], column: Lists
) -> npt.NDArray[np.generic]:
    """What `of` is where a value differs from the one before it in its sequence."""
    changed = np.append(False, values[1:] != values[:-1])[: len(values)]
    changed[column.offsets[:-1][column.lengths > 0]] = False
    found: npt.NDArray[np.generic] = of[changed]
    return found


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
    return collision_bits(np.rint(np.nan_to_num(column.numbers().astype(np.float64)) / grid))

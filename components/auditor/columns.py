"""Numbers that stand for each sequence: each feature at single steps, and over all of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.auditor.contract import BYTES, FLOAT
from components.auditor.lists import Ints, Lists
from components.auditor.profile import Profile
from components.auditor.shape import as_text
from components.auditor.sketches import valid_text

Numbers = npt.NDArray[Any]
STEPS = 64  # a sequence of up to so many is looked at step by step, of a longer one half as many at each end
_WORDS = 200  # most frequent words of a text that are looked at
AVERAGES = ("mean", "standard deviation")
AT_END, AT_BEGINNING, OVERALL = "from the end", "from the beginning", "overall"


@dataclass(frozen=True)
class Column:
    """One number a sequence.

    Attributes:
      feature: what it is made of.
      where: `from the end`, `from the beginning` or `overall`.
      step: steps from that end, from 0.
      what: in words, such as `mean` or `step 3 from the end`.
    """

    feature: str
    where: str
    step: int
    what: str


def columns_of(name: str, feature: Lists, profile: Profile) -> tuple[list[Column], Numbers]:
    """The columns made of a feature, and their values [N, columns], NaN where there is none."""
    if name in profile.texts:
        return _words(name, feature, pc.utf8_lower(valid_text(feature.values)))
    numbers = _as_numbers(feature)
    found: list[tuple[Column, Numbers]] = list(_at_steps(name, feature, numbers))
    if feature.kind != BYTES:
        found += _overall(name, feature, numbers)
    elif feature.lengths.max(initial=0) > 1:
        columns, values = _words(name, feature, feature.values)
        found += zip(columns, values.T, strict=True)
    return [column for column, _ in found], np.stack([values for _, values in found], axis=1)


def _as_numbers(feature: Lists) -> Numbers:
    """Values as numbers; of a category the rank of how often it occurs."""
    if feature.kind != BYTES:
        numbers = feature.numbers().astype(np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    coded = feature.values.dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    often = np.bincount(codes, minlength=len(coded.dictionary))
    rank = np.empty(len(often), np.float64)
    rank[np.lexsort([pc.sort_indices(coded.dictionary).to_numpy(), -often])] = np.arange(len(often))
    ranks: Numbers = rank[codes]
    return ranks


def _overall(name: str, feature: Lists, numbers: Numbers) -> Iterator[tuple[Column, Numbers]]:
    column = partial(Column, name, OVERALL, 0)
    known = ~np.isnan(numbers)
    count = feature.per_row(known).astype(np.float64)
    filled = np.where(known, numbers, 0)
    total = _sums(filled, feature.offsets)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        spread = np.sqrt(np.maximum(0, _sums(filled**2, feature.offsets) / count - mean**2))
    if feature.lengths.max(initial=0) > 1:
        yield column("mean"), mean
        yield column("standard deviation"), spread
        yield column("least"), _extremes(np.where(known, numbers, np.inf), feature, np.minimum)
        yield column("largest"), _extremes(np.where(known, numbers, -np.inf), feature, np.maximum)


def _sums(values: Numbers, offsets: Ints) -> Numbers:
    found, filled = np.zeros(len(offsets) - 1), np.diff(offsets) > 0
    if filled.any():
        found[filled] = np.add.reduceat(values, offsets[:-1][filled])
    return found


def _extremes(values: Numbers, feature: Lists, of: np.ufunc) -> Numbers:
    found = np.full(len(feature.lengths), np.nan)
    filled = feature.lengths > 0
    if filled.any():
        found[filled] = of.reduceat(values, feature.offsets[:-1][filled])
    found[np.isinf(found)] = np.nan
    return found


def _at_steps(name: str, feature: Lists, numbers: Numbers) -> Iterator[tuple[Column, Numbers]]:
    longest, shortest = feature.lengths.max(initial=0), feature.lengths.min(initial=0)
    from_end = min(longest, STEPS if longest <= STEPS else STEPS // 2)
    for step in range(from_end):
        words = "its value" if longest == 1 else "last step" if step == 0 else f"step {step} before the last"
        yield Column(name, AT_END, step, words), _at(feature, numbers, feature.offsets[1:] - 1 - step, step)
    if longest > STEPS or shortest < longest:
        for step in range(from_end):
            words = f"step {step + 1}"
            yield (
                Column(name, AT_BEGINNING, step, words),
                _at(feature, numbers, feature.offsets[:-1] + step, step),
            )


def _at(feature: Lists, numbers: Numbers, places: Ints, step: int) -> Numbers:
    found = np.full(len(feature.lengths), np.nan)
    there = feature.lengths > step
    found[there] = numbers[places[there]]
    return found


def _words(name: str, feature: Lists, texts: pa.Array) -> tuple[list[Column], Numbers]:
    """Whether each of the most frequent words occurs; of a category, each value."""
    is_text = pa.types.is_large_string(texts.type)
    values = pc.split_pattern_regex(texts, r"\s+") if is_text else None
    words = (
        Lists.of(values) if is_text else Lists(BYTES, texts, np.arange(len(texts) + 1), feature.owners >= 0)
    )
    coded = words.values.dictionary_encode()
    codes, owners = coded.indices.to_numpy(), feature.owners[words.owners]
    rows, count = len(feature.lengths), max(1, len(coded.dictionary))
    once = np.unique(owners * count + codes)
    often = np.bincount(once % count, minlength=count)
    rank = np.argsort(pc.sort_indices(coded.dictionary).to_numpy(), kind="stable")
    frequent = np.lexsort([rank, -often[: len(rank)]])[:_WORDS]
    place = np.full(count, -1)
    place[frequent] = np.arange(len(frequent))
    found = np.zeros((rows, len(frequent)))
    chosen = once[place[once % count] >= 0]
    found[chosen // count, place[chosen % count]] = 1
    names = [as_text(word)[:40] for word in coded.dictionary.take(pa.array(frequent)).to_pylist()]
    noun = "word" if is_text else "value"
    return [Column(name, OVERALL, 0, f"whether it has the {noun} {word!r}") for word in names], found


def missing_shares(features: Mapping[str, Lists], steps: Ints, profile: Profile) -> dict[str, Numbers]:
    """Share of each sequence's steps at which a feature has no value, [N] each; only where it varies.

    A feature that has one value a sequence is missing or it is not.
    """
    found = {}
    for name, feature in features.items():
        if feature.kind == FLOAT:
            missing = feature.per_row(np.isnan(feature.numbers()))
        elif feature.kind == BYTES:
            missing = feature.per_row(
                pc.equal(pc.binary_length(feature.values), 0).to_numpy(zero_copy_only=False)
            )
        else:
            missing = np.zeros(len(feature.lengths), np.int64)
        due = np.ones_like(steps) if name in profile.single else steps
        share = 1 - (feature.lengths - missing) / np.maximum(1, np.maximum(due, feature.lengths))
        if np.ptp(share) > 0:
            found[name] = share
    return found

"""How far logged requests are from training: each measure with what chance alone may make of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.config import Drift
from serving.drift import chance, comparators
from serving.drift.baseline import Baseline, Cells, Feature
from serving.drift.comparators import Histogram
from serving.drift.logged import Log
from serving.drift.texts import Words

FALSE_ALARM = 0.01  # probability of a finding in an honest log, all measures together
JENSEN_SHANNON, INFINITY = "Jensen-Shannon", "L-infinity"
MISSING, LENGTHS, WORDS, UNKNOWN = "missing", "lengths", "words", "unknown words"


@dataclass(frozen=True)
class Measured:
    """One measure.

    Attributes:
      feature: that it is of; empty of all.
      measure: its name.
      value: what was measured.
      by_chance: what an honest log of this size stays below.
      bound: of the configuration.
      beyond: whether the value is above both together.
      meaning: in words.
    """

    feature: str
    measure: str
    value: float
    by_chance: float
    bound: float
    beyond: bool
    meaning: str

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dict(vars(self))


Make = Callable[[float], Measured]  # from the probability of a false alarm to a measure


def measure(
    baseline: Baseline,
    log: Log,
    bounds: Drift,
    words: Mapping[str, tuple[Words, Words]],
    overlap: float = 1.0,
) -> list[Measured]:
    """Every measure that has a bound, those beyond it first.

    A value is beyond its bound where it is larger than the bound and what chance alone makes of two
    samples of these sizes, at a probability of 0.01 over all measures.

    Args:
      baseline: the training split.
      log: the requests.
      bounds: of the configuration.
      words: feature of text to its words in training and in the log.
      overlap: share of the sequences that count, where windows overlap.
    """
    against = _Against(baseline, log, overlap)
    makers = list(_makers(against, bounds, words))
    found = [make(FALSE_ALARM / len(makers)) for make in makers]
    found = _compared(against, found)
    return sorted(found, key=lambda one: (not one.beyond, -one.value / (one.bound + one.by_chance)))


def _makers(against: "_Against", bounds: Drift, words: Mapping[str, tuple[Words, Words]]) -> Iterator[Make]:
    wanted: list[tuple[float | None, Callable[[float, float], Measured]]]
    wanted = [(bounds.lengths, against.lengths)]
    for feature in against.baseline.features:
        if feature.cells is not None and against.cells(feature).any():
            wanted.append((bounds.numbers, partial(against.number, feature)))
        if feature.categories:
            wanted.append((bounds.categories, partial(against.category, feature)))
        wanted.append((bounds.missing, partial(against.missing, feature)))
        if sides := words.get(feature.name):
            wanted.append((bounds.lengths, partial(against.words, feature.name, sides)))
            wanted.append((bounds.missing, partial(against.unknown, feature.name, sides)))
    yield from (partial(make, bound) for bound, make in wanted if bound is not None)


@dataclass(frozen=True)
class _Against:
    """A log against a baseline: each method makes one measure of a bound and a probability."""

    baseline: Baseline
    log: Log
    overlap: float

    @property
    def steps(self) -> tuple[float, float]:
        """Independent steps of the log and of training."""
        found = self.log.independent, self.baseline.independent
        return max(1.0, found[0] * self.overlap), max(1.0, found[1] * self.overlap)

    @property
    def sequences(self) -> tuple[float, float]:
        """Independent sequences of the log and of training."""
        return max(1.0, self.log.sequences * self.overlap), max(1.0, self.baseline.sequences * self.overlap)

    def cells(self, feature: Feature) -> Histogram:
        """The log's values in the cells of a number."""
        counted = self.log.features[feature.name].cells
        assert feature.cells is not None
        return np.zeros_like(feature.cells.counts) if counted is None else counted

    def lengths(self, bound: float, p: float) -> Measured:
        cells, lengths = self.baseline.lengths, self.log.lengths
        meaning = f"steps: {_middle_cell(cells)} in training, median {np.median(lengths):g} in the log"
        by_chance = chance.kolmogorov(*self.sequences, p)
        return _judged("", LENGTHS, _distance(cells, lengths), by_chance, bound, meaning)

    def number(self, feature: Feature, bound: float, p: float) -> Measured:
        assert feature.cells is not None
        used = int((feature.cells.counts > 0).sum())
        by_chance = chance.jensen_shannon(used, *self.steps, p)
        meaning = _moved_cell(feature.cells, self.cells(feature))
        return Measured(feature.name, JENSEN_SHANNON, 0.0, by_chance, bound, False, meaning)

    def category(self, feature: Feature, bound: float, p: float) -> Measured:
        shares = _shares(feature, self.log)
        pooled = np.array([sum(pair) / 2 for pair in shares.values()])
        by_chance = chance.infinity(pooled, *self.steps, p)
        name, (train, logged) = max(shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
        meaning = f"{name[:40]!r}: {train:.1%} of the steps in training, {logged:.1%} in the log"
        return Measured(feature.name, INFINITY, 0.0, by_chance, bound, False, meaning)

    def missing(self, feature: Feature, bound: float, p: float) -> Measured:
        there, train = self.log.features[feature.name].there, feature.missing
        logged = 1 - min(1.0, there / self.log.steps) if self.log.steps else 0.0
        weight = self.steps[0] / sum(self.steps)
        by_chance = chance.share(weight * logged + (1 - weight) * train, *self.steps, p)
        meaning = f"{train:.1%} of the steps in training, {logged:.1%} in the log"
        return _judged(feature.name, MISSING, abs(logged - train), by_chance, bound, meaning)

    def words(self, name: str, sides: tuple[Words, Words], bound: float, p: float) -> Measured:
        train, logged = (side.counts for side in sides)
        by_chance = chance.kolmogorov(max(1, len(train)), max(1, len(logged)), p)
        value = float(stats.ks_2samp(train, logged, method="asymp").statistic)
        middles = f"{np.median(train):g} in training, {np.median(logged):g} in the log"
        return _judged(name, WORDS, value, by_chance, bound, f"words of a text: median {middles}")

    def unknown(self, name: str, sides: tuple[Words, Words], bound: float, p: float) -> Measured:
        train, logged = sides
        pooled = sum(int(side.unknown.sum()) for side in sides) / max(
            1, sum(int(side.counts.sum()) for side in sides)
        )
        by_chance = chance.share(pooled, max(1.0, train.independent), max(1.0, logged.independent), p)
        shares = f"{train.unknown_share:.1%} of the words in training, {logged.unknown_share:.1%} in the log"
        value = abs(train.unknown_share - logged.unknown_share)
        return _judged(name, UNKNOWN, value, by_chance, bound, shares)


def _judged(feature: str, name: str, value: float, by_chance: float, bound: float, meaning: str) -> Measured:
    return Measured(feature, name, value, by_chance, bound, value > bound + by_chance, meaning)


def _compared(against: _Against, found: list[Measured]) -> list[Measured]:
    """The measures with the values of TFDV, and its judgement, where it has one."""
    features = {one.name: one for one in against.baseline.features}
    numbers, categories, limits = {}, {}, {}
    for one in found:
        if one.measure not in (JENSEN_SHANNON, INFINITY):
            continue
        feature = features[one.feature]
        limits[one.feature] = min(one.bound + one.by_chance, 1.0)  # TFDV takes no more; no value is larger
        if feature.cells is not None:
            numbers[one.feature] = feature.cells.counts, against.cells(feature)
        else:
            categories[one.feature] = feature.categories, against.log.features[one.feature].categories
    values = comparators.compare(numbers, categories, limits) if limits else {}
    tfdvs = (JENSEN_SHANNON, INFINITY)
    return [
        replace(one, value=values[one.feature][0], beyond=values[one.feature][1])
        if one.measure in tfdvs
        else one
        for one in found
    ]


def _shares(feature: Feature, log: Log) -> dict[str, tuple[float, float]]:
    """Category to its share of the steps, in training and in the log."""
    counted = log.features[feature.name].categories
    totals = max(1.0, sum(feature.categories.values())), max(1, sum(counted.values()))
    return {
        one: (feature.categories.get(one, 0.0) / totals[0], counted[one] / totals[1])
        for one in {**feature.categories, **counted}
    }


def _distance(cells: Cells, lengths: npt.NDArray[np.int64]) -> float:
    """Kolmogorov and Smirnov's distance where the cells of training end: never above the true one."""
    train, logged = cells.counts, cells.count(lengths)
    sides = [np.cumsum(one) / max(1.0, one.sum()) for one in (train, logged)]
    return float(np.abs(sides[0] - sides[1]).max())


def _moved_cell(cells: Cells, logged: Histogram) -> str:
    """The cell whose share changed most, in words."""
    edges = cells.edges
    shares = [one / max(1.0, one.sum()) for one in (cells.counts, logged)]
    worst = int(np.abs(shares[0] - shares[1]).argmax())
    where = f"{edges[worst - 1]:.4g} to {edges[worst]:.4g}" if 0 < worst < len(edges) else ""
    where = where or (f"above {edges[-1]:.4g}" if worst else f"below {edges[0]:.4g}")
    train, log = (one[worst] for one in shares)
    return f"{where}: {train:.1%} of the values in training, {log:.1%} in the log"


def _middle_cell(cells: Cells) -> str:
    """The cell of the median."""
    if not cells.counts.any():
        return "none"
    place = int(np.searchsorted(np.cumsum(cells.counts), cells.counts.sum() / 2))
    low, high = cells.edges[max(0, place - 1)], cells.edges[min(place, len(cells.edges) - 1)]
    return f"median {high:g}" if high - low < 1 else f"median {low:g} to {high:g}"

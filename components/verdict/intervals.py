"""Confidence intervals of metrics: how far a value may be from that of all sequences there could be.

A share (accuracy, recall, precision) gets the exact interval of Clopper and Pearson, an area one of
its own, from counts alone. The bootstrap says of five right answers out of five that the next one
cannot be wrong: resampled, they stay five of five, and its interval has no width. It serves what is
no share: losses, and errors of numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.trainer.metrics.classification import OF_A_CLASS
from components.verdict.evaluation import BOOTSTRAP_SAMPLES, Counts, SliceMetrics
from components.verdict.policy import ACCURACY

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Where the value of all sequences lies, with a confidence; both ends belong to it."""

    lower: float
    upper: float


def interval(metric: str, one: SliceMetrics, confidence: float | None) -> Interval | None:
    """The two-sided confidence interval of a metric in a slice; see `Intervals.of`."""
    return Intervals(one, confidence).of(metric)


class Intervals:
    """The two-sided confidence intervals of the metrics of a slice.

    Args:
      one: the metrics of the slice, with counts by class where the model answers classes.
      confidence: chance that such an interval holds the true value, above 0 and below 1; None takes the
        value for certain.
    """

    def __init__(self, one: SliceMetrics, confidence: float | None) -> None:
        self._one, self._confidence = one, confidence
        self._counts = one.counts
        self._limits: dict[str, tuple[_Floats, _Floats]] = {}  # by name, of all classes

    def of(self, metric: str) -> Interval | None:
        """The interval of a metric; None where that is undefined, or TFMA could not resample it."""
        value, one = self._one.metrics.get(metric), self._one
        if value is None:
            return None
        if self._confidence is None:
            return Interval(value, value)
        found = self._from_counts(metric, value, self._confidence)
        if found is None and metric in one.deviations:
            found = around(value, one.deviations[metric], self._confidence)
        return found

    def _from_counts(self, metric: str, value: float, confidence: float) -> Interval | None:
        if metric in ACCURACY or (metric.startswith("top_") and metric.endswith("_error")):
            examples = float(self._one.examples)
            lower, upper = share(np.array([value * examples]), np.array([examples]), confidence)
            return Interval(float(lower[0]), float(upper[0]))
        if self._counts is None:
            return None
        name, bracket, rest = metric.partition("[")
        if bracket:
            return self._of_class(name, rest.removesuffix("]"), self._counts, confidence)
        if metric in OF_A_CLASS:  # of the positive class, which is the last
            return self._of_class(metric, self._counts.classes[-1], self._counts, confidence)
        if metric == "balanced_accuracy":
            return self._mean("recall", self._counts, confidence)
        if metric.endswith("_macro"):
            return self._mean(metric.removesuffix("_macro"), self._counts, confidence)
        return None

    def _of_class(self, name: str, of: str, counts: Counts, confidence: float) -> Interval | None:
        if of not in counts.names:
            return None
        at = counts.names.index(of)
        lower, upper = self._of_classes(name, counts, confidence)
        return Interval(float(lower[at]), float(upper[at])) if math.isfinite(lower[at]) else None

    def _mean(self, name: str, counts: Counts, confidence: float) -> Interval | None:
        """Limits of a mean over the classes that occur.

        Recalls, and precisions, of two classes come from different sequences, so their distances to the
        limits add up as deviations do (Zou and Donner, Construction of confidence limits, 2008,
        https://doi.org/10.1002/sim.3095). F1 and areas of two classes share sequences: the mean of their
        limits holds however they move together.
        """
        occurs = counts.actual > 0
        lower, upper = (ends[occurs] for ends in self._of_classes(name, counts, confidence))
        if not np.isfinite(lower).all() or not len(lower):
            return None
        if name not in ("recall", "precision"):
            return Interval(float(lower.mean()), float(upper.mean()))
        values = self._values(name, counts)[occurs]
        below, above = (
            float(np.sqrt(np.square(values - ends).sum())) / len(values) for ends in (lower, upper)
        )
        mean = float(values.mean())
        return Interval(max(mean - below, 0.0), min(mean + above, 1.0))

    def _of_classes(self, name: str, counts: Counts, confidence: float) -> tuple[_Floats, _Floats]:
        """Limits of a metric of each class against all others, [R] each; NaN where it is undefined."""
        if name not in self._limits:
            self._limits[name] = _limits(name, counts, self._values(name, counts), confidence)
        return self._limits[name]

    def _values(self, name: str, counts: Counts) -> _Floats:
        found = (self._one.metrics.get(f"{name}[{of}]") for of in counts.names)
        return np.array([math.nan if value is None else value for value in found])


def around(value: float, deviation: float, confidence: float | None) -> Interval:
    """The interval of Student's t around a value whose deviation the bootstrap found (Efron, 1979)."""
    if confidence is None:
        return Interval(value, value)
    reach = deviation * float(stats.t.ppf((1 + confidence) / 2, BOOTSTRAP_SAMPLES - 1))
    return Interval(value - reach, value + reach)


def share(hits: _Floats, total: _Floats, confidence: float) -> tuple[_Floats, _Floats]:
    """Exact limits of shares, [n] each: of `hits` out of `total`, which may be 0.

    Clopper and Pearson, The Use of Confidence or Fiducial Limits, 1934,
    https://doi.org/10.1093/biomet/26.4.404: whatever the true share is, it lies outside in no more than
    1 - confidence of all samples.
    """
    outside = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        lower = stats.beta.ppf(outside, hits, total - hits + 1)
        upper = stats.beta.ppf(1 - outside, hits + 1, total - hits)
    return np.where(hits > 0, lower, 0.0), np.where(hits < total, upper, 1.0)


def area(
    value: _Floats, positives: _Floats, negatives: _Floats, confidence: float
) -> tuple[_Floats, _Floats]:
    """Limits of areas under the ROC curve, [n] each, that keep a width where the area is 1.

    Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic,
    part 2, 2006, https://doi.org/10.1002/sim.2324, method 5: the areas A that lie z deviations from
    `value`, where the deviation is that of Hanley and McNeil (1982) at A.
    """
    z = float(stats.norm.ppf((1 + confidence) / 2))
    typical = (positives + negatives) / 2 - 1

    def deviation(of: _Floats) -> _Floats:
        spread = 1 + typical * (1 - of) / (2 - of) + typical * of / (1 + of)
        with np.errstate(divide="ignore", invalid="ignore"):  # where a class is all there is, or absent
            return np.asarray(np.sqrt(of * (1 - of) * spread / (positives * negatives)), np.float64)

    def limit(outside: _Floats) -> _Floats:
        inside = value
        for _ in range(50):  # halves the distance each time
            tried = (outside + inside) / 2
            too_far = np.abs(value - tried) > z * deviation(tried)
            outside, inside = np.where(too_far, tried, outside), np.where(too_far, inside, tried)
        return outside

    return limit(np.zeros_like(value)), limit(np.ones_like(value))


def _limits(name: str, counts: Counts, values: _Floats, confidence: float) -> tuple[_Floats, _Floats]:
    actual, predicted, hits = counts.actual, counts.predicted, counts.hits
    if name == "recall":
        return share(hits, actual, confidence)
    if name == "precision":
        return share(hits, predicted, confidence)
    if name == "f1":
        # F1 = 2J / (1 + J), where J is the share of hits among all that are or were said to be of the class.
        jaccard = share(hits, actual + predicted - hits, confidence)
        return 2 * jaccard[0] / (1 + jaccard[0]), 2 * jaccard[1] / (1 + jaccard[1])
    if name == "auc":
        return area(values, actual, actual.sum() - actual, confidence)
    # Boyd, Eng and Page, Area under the Precision-Recall Curve, 2013: a share of the positives.
    limits = share(np.nan_to_num(values) * actual, actual, confidence)
    return np.where(np.isnan(values), np.nan, limits[0]), np.where(np.isnan(values), np.nan, limits[1])

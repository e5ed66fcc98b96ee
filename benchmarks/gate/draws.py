"""Simulated answers of a binary model whose true metric is known.

Answers are log-odds, and a positive one predicts the positive class. `n` is always what the metric is a
share of: positives for recall, predicted positives for precision; F1 and the area get n positives. As
many others stand beside them.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks.gate.tallied import Floats, Integers, slice_metrics
from components.verdict.evaluation import SliceMetrics
from components.verdict.slices import Slice

CLASSES = ("no", "yes")

_WRONG = 0.2  # of the other half: share of negatives called positive, or of positives called negative

Draw = Callable[[np.random.Generator, int, float], tuple[Integers, Floats]]


def recall(random: np.random.Generator, n: int, true: float) -> tuple[Integers, Floats]:
    """Labels [2n] and log-odds [2n]: each positive is found with probability `true`."""
    return _two_normals(random, n, stats.norm.ppf(true), stats.norm.ppf(_WRONG))


def precision(random: np.random.Generator, n: int, true: float) -> tuple[Integers, Floats]:
    """The same: each predicted positive is one with probability `true`."""
    log_odds = np.abs(random.normal(size=2 * n)) * np.repeat([1, -1], n)
    return (random.random(2 * n) < np.repeat([true, _WRONG], n)).astype(np.int64), log_odds


def f1(random: np.random.Generator, n: int, true: float) -> tuple[Integers, Floats]:
    """The same: of all sequences, precision, recall and F1 are `true`."""
    return _two_normals(random, n, stats.norm.ppf(true), stats.norm.ppf(1 - true))


def auc(random: np.random.Generator, n: int, true: float) -> tuple[Integers, Floats]:
    """The same: a positive's log-odds are above a negative's with probability `true`."""
    apart = float(stats.norm.ppf(true)) * np.sqrt(2)  # the difference of two has a deviation of √2
    return _two_normals(random, n, apart / 2, -apart / 2)


def _two_normals(
    random: np.random.Generator, n: int, positive: float, negative: float
) -> tuple[Integers, Floats]:
    return np.repeat([1, 0], n), random.normal(np.repeat([positive, negative], n))


def evaluated(labels: Integers, log_odds: Floats, where: Slice | None = None) -> SliceMetrics:
    """What was measured on a draw."""
    positive = 1 / (1 + np.exp(-log_odds))
    return slice_metrics(labels, np.column_stack([1 - positive, positive]), CLASSES, where)

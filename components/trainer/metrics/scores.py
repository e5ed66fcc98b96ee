"""How often each score was given to positives and negatives, and the areas that come from it.

The areas are exact, ties included, up to 10,000 distinct scores. More are rounded to multiples of the
smallest power of 2 that leaves no more than that; areas are then within 0.001, unless a large share of
the examples falls on a few of the rounded scores.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_EXACT_SCORES = 10_000  # distinct scores kept as they are; more are rounded until so many are left
_FINEST_GRID = 2.0**-40


@dataclass(frozen=True)
class Scores:
    """Distinct scores in ascending order, and how many negatives and positives got each, all [n].

    `grid` is what the scores are rounded to a multiple of; 0 as long as they are exact.
    """

    values: npt.NDArray[np.float64]
    negatives: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]
    grid: float = 0.0


def counted(values: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> Scores:
    """Counts scores [n] by value, apart for negatives and positives."""
    return _grouped(values, (~truth).astype(np.int64), truth.astype(np.int64), 0.0)


def merged(one: Scores, other: Scores) -> Scores:
    """The scores of both; rounded, no more than it takes, once there are too many distinct ones."""
    grid = max(one.grid, other.grid)
    values = np.concatenate([one.values, other.values])
    negatives = np.concatenate([one.negatives, other.negatives])
    positives = np.concatenate([one.positives, other.positives])
    together = _grouped(values, negatives, positives, grid)
    while len(together.values) > _EXACT_SCORES:
        grid = grid * 2 or _FINEST_GRID
        together = _grouped(together.values, together.negatives, together.positives, grid)
    return together


def _grouped(
    values: npt.NDArray[np.float64],
    negatives: npt.NDArray[np.int64],
    positives: npt.NDArray[np.int64],
    grid: float,
) -> Scores:
    distinct, place = np.unique(np.round(values / grid) * grid if grid else values, return_inverse=True)
    of_negatives, of_positives = (
        np.bincount(place, count, len(distinct)) for count in (negatives, positives)
    )
    return Scores(distinct, of_negatives.astype(np.int64), of_positives.astype(np.int64), grid)


def area_under_roc(scores: Scores) -> float:
    """Probability that a positive scores above a negative, ties counting half (Hanley & McNeil, 1982).

    NaN without positives or without negatives.
    """
    pairs = int(scores.negatives.sum()) * int(scores.positives.sum())
    if not pairs:
        return math.nan
    below = np.cumsum(scores.negatives) - scores.negatives
    return float((scores.positives * (below + scores.negatives / 2)).sum() / pairs)


def average_precision(scores: Scores) -> float:
    """Sum over falling thresholds of (recall gained) x precision, as scikit-learn defines it.

    This is the area under the precision-recall curve without interpolation (Davis & Goadrich, 2006,
    show why a linear one is too good). NaN without positives.
    """
    positives, negatives = scores.positives[::-1], scores.negatives[::-1]
    total = int(positives.sum())
    if not total:
        return math.nan
    hits = np.cumsum(positives)
    return float((positives * (hits / (hits + np.cumsum(negatives)))).sum() / total)

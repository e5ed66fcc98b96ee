"""How a class's probability tells it from the others: points of its curves, and its calibration.

Both are bounded, whatever the number of examples, and come from the scores alone. They travel through TFMA
as text, for of arrays of numbers it would make intervals and differences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from components.trainer.metrics.combiner import Table
from components.trainer.metrics.packing import packed, unpacked
from components.trainer.metrics.scores import Scores

CURVES = "curves"
MOST_CLASSES = 20  # of more, those with most sequences

_POINTS = 200
_BINS = 10

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The curves of one class against all others.

    Attributes:
      points: thresholds in falling order, and how many negatives and how many positives have at least such
        a probability, [P, 3]; the last one has all of them.
      calibration: of each bin of the probability that is not empty its number, its sequences, how many of
        these are positives, and the sum of their probabilities, [B, 4].
    """

    points: _Floats
    calibration: _Floats

    @classmethod
    def of(cls, scores: Scores) -> "Curve":
        """The curves of log-odds, at least one."""
        probabilities = special.expit(scores.values)
        if not scores.grid:  # the models' own answers, which float32 holds, are had back to the last bit
            probabilities = probabilities.astype(np.float32).astype(np.float64)
        return cls(_points(probabilities, scores), _calibration(probabilities, scores))

    def as_json(self) -> dict[str, Any]:
        """As it stands in evaluation.json: the points begin where nothing is positive."""
        _, negatives, positives = self.points[-1]
        return {
            "negatives": int(negatives),
            "positives": int(positives),
            "points": [
                [None, 0, 0],
                *([at, int(false), int(true)] for at, false, true in self.points.tolist()),
            ],
            "calibration": [
                {
                    "from": number / _BINS,
                    "to": (number + 1) / _BINS,
                    "sequences": int(count),
                    "positives": int(true),
                    "mean_probability": total / count,
                }
                for number, count, true, total in self.calibration.tolist()
            ],
        }


def table(classes: Mapping[str, Scores]) -> Table:
    """A row for each class: its name, and its curves packed."""
    curves = {name: Curve.of(scores) for name, scores in classes.items()}
    rows = [[name, packed(one.points), packed(one.calibration)] for name, one in curves.items()]
    return np.array(rows, dtype=object)


def read(rows: Sequence[Sequence[str]]) -> dict[str, Curve]:
    """The curves of each class in such a table."""
    return {name: Curve(unpacked(points, 3), unpacked(bins, 4)) for name, points, bins in rows}


def _points(probabilities: _Floats, scores: Scores) -> _Floats:
    negatives, positives = (np.cumsum(counts[::-1]) for counts in (scores.negatives, scores.positives))
    columns: _Floats = np.stack([probabilities[::-1], negatives, positives], axis=1)
    return columns[_spread(negatives, positives)]


def _spread(negatives: npt.NDArray[np.int64], positives: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Which of the sums are kept: of too many, at even shares of both classes.

    Negatives and positives weigh the same together, else a rare class would have no point of its own.
    """
    if len(negatives) <= _POINTS:
        return np.arange(len(negatives))
    share = negatives / max(1, negatives[-1]) + positives / max(1, positives[-1])
    found: npt.NDArray[np.intp] = np.searchsorted(share, share[-1] * np.arange(1, _POINTS + 1) / _POINTS)
    found[-1] = len(share) - 1
    return np.unique(found)


def _calibration(probabilities: _Floats, scores: Scores) -> _Floats:
    """Bins are open at their lower end, but for the first, as in scikit-learn."""
    bins = np.searchsorted(np.linspace(0, 1, _BINS + 1)[1:-1], probabilities)
    counts = scores.negatives + scores.positives
    columns = [np.bincount(bins, one, _BINS) for one in (counts, scores.positives, probabilities * counts)]
    found: _Floats = np.stack([np.arange(_BINS), *columns], axis=1)
    return found[found[:, 1] > 0]

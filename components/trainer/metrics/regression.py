"""Regression metrics as one TFMA metric, in the unit of the label."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

from components.trainer.metrics.combiner import Answer, Table, computations, numbers
from components.trainer.metrics.packing import packed
from components.trainer.metrics.sample import Sample, hashes_of

PREDICTIONS = "predictions"
_SHOWN = 1000  # sequences whose label and prediction are shown


@dataclass
class Regression:
    """What the metrics of one slice are computed from.

    Attributes:
      examples: how many there are.
      label_mean: of the labels.
      label_squares: sum of the labels' squared distances from their mean.
      label_min: smallest label.
      label_max: largest label.
      error: sum over examples of prediction minus label.
      absolute_error: sum of its absolute values.
      squared_error: sum of its squares.
      sample: label and prediction of some examples whose prediction is finite.
    """

    examples: int = 0
    label_mean: float = 0.0
    label_squares: float = 0.0
    label_min: float = math.inf
    label_max: float = -math.inf
    error: float = 0.0
    absolute_error: float = 0.0
    squared_error: float = 0.0
    sample: Sample = field(default_factory=lambda: Sample(_SHOWN))

    def add(self, labels: Sequence[Any], answers: Sequence[Answer]) -> None:
        """Adds examples: the number each one's label is, and `prediction`, both scalar or [1].

        Where a model has one output TFMA hands over its value without the name.
        """
        predicted = numbers(
            answer["prediction"] if isinstance(answer, Mapping) else answer for answer in answers
        )
        self.add_columns(numbers(labels), predicted)

    def add_columns(self, truth: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> None:
        """Adds n examples at once, at least one: the labels and the predictions, both [n]."""
        with np.errstate(over="ignore", invalid="ignore"):
            error, mean = predicted - truth, truth.mean()
            self.merge(
                Regression(
                    examples=len(truth),
                    label_mean=float(mean),
                    label_squares=float(np.square(truth - mean).sum()),
                    label_min=float(truth.min()),
                    label_max=float(truth.max()),
                    error=float(error.sum()),
                    absolute_error=float(np.abs(error).sum()),
                    squared_error=float(np.square(error).sum()),
                    sample=_sampled(truth, predicted),
                )
            )

    def merge(self, other: "Regression") -> None:
        """Adds what another part of the data counted.

        Means and squares are merged as by Chan, Golub and LeVeque, Algorithms for Computing the Sample
        Variance, 1983, equation 2.1, so that labels far from 0 lose no digits.
        """
        if not other.examples:
            return
        together = self.examples + other.examples
        apart = other.label_mean - self.label_mean
        self.label_squares += other.label_squares + apart * apart * self.examples * other.examples / together
        self.label_mean += apart * other.examples / together
        self.label_min = min(self.label_min, other.label_min)
        self.label_max = max(self.label_max, other.label_max)
        self.error += other.error
        self.absolute_error += other.absolute_error
        self.squared_error += other.squared_error
        self.sample += other.sample
        self.examples = together

    def metrics(self) -> dict[str, float | Table]:
        """Every metric by name.

        `bias` is the mean of prediction minus label. `r2` is 1 - (squared error) / (squared distance of
        the labels from their mean), as in scikit-learn; NaN where all labels of the slice are equal. A
        prediction that is no number makes every metric NaN. Beside the numbers is a table: labels and
        predictions of up to 1,000 examples, packed in one cell.
        """
        if not self.examples:
            return {}
        mse = self.squared_error / self.examples
        all_equal = self.label_min == self.label_max or not self.label_squares
        return {
            "mse": mse,
            "rmse": math.sqrt(mse),
            "mae": self.absolute_error / self.examples,
            "r2": math.nan if all_equal else 1 - self.squared_error / self.label_squares,
            "bias": self.error / self.examples,
            **self._predictions(),
        }

    def _predictions(self) -> dict[str, Table]:
        rows = self.sample.rows
        return {PREDICTIONS: np.array([[packed(rows)]], dtype=object)} if len(rows) else {}


def _sampled(truth: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> Sample:
    pairs = np.stack([truth, predicted], axis=1)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return Sample(_SHOWN).plus(hashes_of(pairs), pairs)


class RegressionMetrics(metric_types.Metric):
    """Metrics of a model whose answer holds `prediction`; see `Regression.metrics`."""

    def __init__(self, name: str = "regression_metrics") -> None:
        super().__init__(_computations, name=name)


def _computations(
    name: str = "", model_names: Sequence[str] | None = None
) -> list[metric_types.MetricComputation]:
    del name
    return computations(Regression, model_names)

"""Classification metrics as one TFMA metric that learns the classes from the model's own answers.

TFMA's per-class metrics need the class ids when the EvalConfig is written, which is before any data
has been read. This combiner takes the class names from the output `classes` instead, so that a
threshold can name a class by its text.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

_PENDING = 1000  # examples gathered before they are counted together
_EXACT_SCORES = 10_000  # distinct scores of a class kept as they are; more are rounded
_ROUNDED_TO = 1 / 256  # in log-odds: 0.001 in probability at a half, finer towards 0 and 1
_SMALLEST = 1e-7  # probability that the logarithm of the loss is cut at, as in Keras


class Counts:
    """What the metrics of one slice are computed from; grows with classes, not with examples.

    Attributes:
      classes: K class names, in the order of the probabilities.
      confusion: true class (any text, also one the model does not know) to [K] predictions.
      scores: of each class, how often each log-odds was given where it is and is not the true one.
      log_loss: sum over examples of -log p(true class).
    """

    def __init__(self) -> None:
        self.classes: list[str] = []
        self.confusion: dict[str, npt.NDArray[np.int64]] = {}
        self.scores: list[Scores] = []
        self.log_loss = 0.0
        self._labels: list[str] = []
        self._probabilities: list[npt.NDArray[np.float64]] = []

    def add(self, label: str, probabilities: npt.NDArray[np.float64], classes: Sequence[str]) -> None:
        """Adds one example: its true class, and the model's probability for each class."""
        self._know(classes)
        self._labels.append(label)
        self._probabilities.append(probabilities)
        if len(self._labels) >= _PENDING:
            self.settle()

    def settle(self) -> None:
        """Counts the examples gathered so far."""
        if not self._labels:
            return
        labels, probabilities = np.array(self._labels), np.stack(self._probabilities)
        self._labels, self._probabilities = [], []
        predicted = probabilities.argmax(axis=1)
        for text in np.unique(labels):
            row = np.bincount(predicted[labels == text], minlength=len(self.classes))
            self.confusion[str(text)] = self.confusion.get(str(text), 0) + row
        truth = labels[:, None] == np.array(self.classes)[None, :]
        with np.errstate(divide="ignore"):
            log_odds = np.log(probabilities) - np.log1p(-probabilities)
            log_odds[np.isnan(log_odds)] = -np.inf
        self.scores = [
            merged(scores, counted(log_odds[:, at], truth[:, at])) for at, scores in enumerate(self.scores)
        ]
        of_truth = np.where(truth, probabilities, 0.0).sum(axis=1)
        self.log_loss -= float(np.log(np.clip(of_truth, _SMALLEST, 1.0)).sum())

    def merge(self, other: "Counts") -> None:
        """Adds what another part of the data counted."""
        other.settle()
        self.settle()
        if not other.classes:
            return
        self._know(other.classes)
        for text, row in other.confusion.items():
            self.confusion[text] = self.confusion.get(text, 0) + row
        self.scores = [merged(mine, theirs) for mine, theirs in zip(self.scores, other.scores, strict=True)]
        self.log_loss += other.log_loss

    def metrics(self) -> dict[str, float]:
        """Every metric by name: `accuracy`, `log_loss`, and precision, recall, f1 and auc of classes.

        `recall[x]` is that of class x against all others, `recall_macro` the mean over the classes
        that occur in the slice. As in scikit-learn, a ratio whose denominator is 0 counts as 0. The
        area under a ROC curve is NaN where not both the class and another one occur; TFMA would take
        an absent metric as a missed bound, also in slices the bound is not for.
        """
        self.settle()
        total = sum(int(row.sum()) for row in self.confusion.values())
        if not total:
            return {}
        hits = {text: self._hits(text) for text in self.confusion}
        per_class = {text: self._of_class(text, hits.get(text, 0)) for text in self._texts()}
        areas = [per_class[text]["auc"] for text in self.confusion if text in self.classes]
        found = {"accuracy": sum(hits.values()) / total, "log_loss": self.log_loss / total}
        for name in ("precision", "recall", "f1"):
            found[f"{name}_macro"] = float(np.mean([per_class[text][name] for text in self.confusion]))
        found["auc_macro"] = float(np.mean(areas)) if areas else math.nan
        for text, values in per_class.items():
            found |= {f"{name}[{text}]": value for name, value in values.items()}
        return found

    def _know(self, classes: Sequence[str]) -> None:
        if not self.classes:
            self.classes = list(classes)
            self.scores = [counted(np.zeros(0), np.zeros(0, bool))] * len(self.classes)

    def _texts(self) -> list[str]:
        return [*self.classes, *(text for text in self.confusion if text not in self.classes)]

    def _hits(self, text: str) -> int:
        return int(self.confusion[text][self.classes.index(text)]) if text in self.classes else 0

    def _of_class(self, text: str, hits: int) -> dict[str, float]:
        known = text in self.classes
        at = self.classes.index(text) if known else 0
        predicted = sum(int(row[at]) for row in self.confusion.values()) if known else 0
        actual = int(self.confusion[text].sum()) if text in self.confusion else 0
        values = {
            "precision": hits / predicted if predicted else 0.0,
            "recall": hits / actual if actual else 0.0,
            "f1": 2 * hits / (predicted + actual) if predicted + actual else 0.0,
        }
        area = area_under_roc(self.scores[at]) if known else math.nan
        return {**values, "auc": area}


@dataclass(frozen=True)
class Scores:
    """Distinct scores in ascending order, and how many negatives and positives got each, all [n]."""

    values: npt.NDArray[np.float64]
    negatives: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]


def counted(values: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> Scores:
    """Counts scores [n] by value, apart for negatives and positives."""
    return _grouped(values, (~truth).astype(np.int64), truth.astype(np.int64))


def merged(one: Scores, other: Scores) -> Scores:
    """The scores of both; rounded once there are too many distinct ones."""
    together = _grouped(
        np.concatenate([one.values, other.values]),
        np.concatenate([one.negatives, other.negatives]),
        np.concatenate([one.positives, other.positives]),
    )
    if len(together.values) <= _EXACT_SCORES:
        return together
    rounded = np.round(together.values / _ROUNDED_TO) * _ROUNDED_TO
    return _grouped(rounded, together.negatives, together.positives)


def _grouped(
    values: npt.NDArray[np.float64], negatives: npt.NDArray[np.int64], positives: npt.NDArray[np.int64]
) -> Scores:
    distinct, place = np.unique(values, return_inverse=True)
    sums = [np.bincount(place, weights=count, minlength=len(distinct)) for count in (negatives, positives)]
    return Scores(distinct, *(total.astype(np.int64) for total in sums))


def area_under_roc(scores: Scores) -> float:
    """Probability that a positive scores above a negative, ties counting half (Hanley & McNeil, 1982).

    NaN without positives or without negatives.
    """
    pairs = int(scores.negatives.sum()) * int(scores.positives.sum())
    if not pairs:
        return math.nan
    below = np.cumsum(scores.negatives) - scores.negatives
    return float((scores.positives * (below + scores.negatives / 2)).sum() / pairs)


class _Combiner(beam.CombineFn):
    def __init__(self, model_name: str) -> None:
        self._model_name = model_name

    def create_accumulator(self) -> Counts:
        return Counts()

    def add_input(self, counts: Counts, element: metric_types.StandardMetricInputs) -> Counts:
        answer = element.get_predictions(self._model_name) if self._model_name else element.get_predictions()
        counts.add(
            _text(element.get_labels()),
            np.asarray(answer["probabilities"], np.float64).ravel(),
            [_text(name) for name in np.ravel(answer["classes"])],
        )
        return counts

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        merged = Counts()
        for counts in accumulators:
            merged.merge(counts)
        return merged

    def compact(self, counts: Counts) -> Counts:
        counts.settle()
        return counts

    def extract_output(self, counts: Counts) -> dict[metric_types.MetricKey, float]:
        return {
            # Thresholds by name look for example_weighted=None, which is not the default of a key.
            metric_types.MetricKey(name=name, model_name=self._model_name, example_weighted=None): value
            for name, value in counts.metrics().items()
        }


def _text(value: Any) -> str:
    item = np.ravel(value)[0]
    return item.decode() if isinstance(item, bytes) else str(item)


class ClassificationMetrics(metric_types.Metric):
    """Metrics of a model whose answer holds `probabilities` and `classes`; see `Counts.metrics`."""

    def __init__(self, name: str = "classification_metrics") -> None:
        super().__init__(_computations, name=name)


def _computations(
    name: str = "classification_metrics", model_names: Sequence[str] | None = None
) -> list[metric_types.MetricComputation]:
    del name
    return [
        metric_types.MetricComputation(keys=[], preprocessors=None, combiner=_Combiner(model_name))
        for model_name in model_names or [""]
    ]

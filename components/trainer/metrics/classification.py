"""Classification metrics as one TFMA metric that learns the classes from the model's own answers.

TFMA's per-class metrics need the class ids when the EvalConfig is written, which is before any data
has been read. This combiner takes the class names from the output `classes` instead, so that a
threshold can name a class by its text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

from components.trainer.metrics import curves
from components.trainer.metrics.combiner import Answer, Table, computations, text
from components.trainer.metrics.scores import Scores, area_under_roc, average_precision, counted, merged

CONFUSION_MATRIX = "confusion_matrix"
CLASS_COUNTS = "class_counts"  # instead of it, of many classes
OF_A_CLASS = ("precision", "recall", "f1", "auc", "pr_auc")

_SMALLEST = 1e-7  # probability that the logarithm of the loss is cut at, as in Keras
_BINS = 15  # of the confidence, for the calibration error
_TOP = (3, 5)
_SHOWN_CLASSES = 100  # of more, the confusion matrix is no longer read, and would outgrow the rest

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


@dataclass
class Classification:
    """What the metrics of one slice are computed from; grows with classes, not with examples.

    Attributes:
      binary: whether the last of two classes is the positive one.
      classes: K class names, in the order of the probabilities.
      confusion: true class (any text, also one the model does not know) to [K] predictions.
      scores: of each class, how often each log-odds was given where it is and is not the true one.
      log_loss: sum over examples of -log p(true class).
      calibration: examples, hits and sum of the confidence in each bin of the confidence, [3, 15].
      outside_top: k to the examples whose true class is not among the k likeliest.
      undefined: examples that were answered with something else than finite numbers.
    """

    binary: bool = False
    classes: list[str] = field(default_factory=list)
    confusion: dict[str, _Integers] = field(default_factory=dict)
    scores: list[Scores] = field(default_factory=list)
    log_loss: float = 0.0
    calibration: _Floats = field(default_factory=lambda: np.zeros((3, _BINS)))
    outside_top: dict[int, int] = field(default_factory=lambda: dict.fromkeys(_TOP, 0))
    undefined: int = 0

    def add(self, labels: Sequence[Any], answers: Sequence[Answer]) -> None:
        """Adds examples: the text of each one's class, and `probabilities` [K] and `classes` [K]."""
        probabilities = np.stack([np.ravel(answer["probabilities"]) for answer in answers])
        classes = [text(name) for name in np.ravel(answers[0]["classes"])]
        self.add_columns(np.array([text(label) for label in labels]), probabilities, classes)

    def add_columns(
        self, labels: npt.NDArray[np.str_], probabilities: npt.NDArray[Any], classes: list[str]
    ) -> None:
        """Adds n examples at once: the class of each [n], `probabilities` [n, K] and `classes`, K names."""
        self._know(classes)
        probabilities = probabilities.astype(np.float64)
        places = {name: place for place, name in enumerate(self.classes)}
        names, at = np.unique(labels, return_inverse=True)
        for name in names:
            self.confusion.setdefault(str(name), np.zeros(len(self.classes), np.int64))
        answered = np.isfinite(probabilities).all(axis=1)
        self.undefined += int((~answered).sum())
        true_classes = np.array([places.get(str(name), -1) for name in names], np.int64)[at][answered]
        self._count(labels[answered], true_classes, probabilities[answered].clip(0, 1))

    def _know(self, classes: list[str]) -> None:
        if self.classes:
            return
        if self.binary and len(classes) != 2:
            raise ValueError(f"binary metrics expect two classes, and the model answers {', '.join(classes)}")
        self.classes = classes
        self.scores = [counted(np.zeros(0), np.zeros(0, bool))] * len(classes)

    def _count(self, texts: npt.NDArray[np.str_], true_classes: _Integers, probabilities: _Floats) -> None:
        """Counts examples of `true_classes` [n], -1 where the model does not know it, by all metrics."""
        predicted = _predicted(probabilities)
        for name in np.unique(texts):
            self.confusion[str(name)] += np.bincount(predicted[texts == name], minlength=len(self.classes))
        truth = true_classes[:, None] == np.arange(len(self.classes))
        with np.errstate(divide="ignore"):
            log_odds = np.log(probabilities) - np.log1p(-probabilities)
        self.scores = [
            merged(scores, counted(log_odds[:, at], truth[:, at])) for at, scores in enumerate(self.scores)
        ]
        of_truth = np.where(truth, probabilities, 0.0).sum(axis=1)
        self.log_loss -= float(np.log(of_truth.clip(_SMALLEST, 1.0)).sum())
        confidence = probabilities[np.arange(len(predicted)), predicted]
        self.calibration += _by_confidence(confidence, predicted == true_classes)
        rank = _rank(probabilities, of_truth, true_classes)
        for k in _TOP:
            self.outside_top[k] += int(((rank >= k) | (true_classes < 0)).sum())

    def merge(self, other: "Classification") -> None:
        """Adds what another part of the data counted."""
        if not other.classes:
            return
        self._know(other.classes)
        for name, row in other.confusion.items():
            self.confusion[name] = self.confusion.get(name, 0) + row
        self.scores = [merged(mine, theirs) for mine, theirs in zip(self.scores, other.scores, strict=True)]
        self.log_loss += other.log_loss
        self.calibration = self.calibration + other.calibration
        self.outside_top = {k: count + other.outside_top[k] for k, count in self.outside_top.items()}
        self.undefined += other.undefined

    def metrics(self) -> dict[str, float | Table]:
        """Every metric by name: of all examples, of each class against all others, and their means.

        `recall[x]` is that of class x, `recall_macro` the mean over the classes that occur in the slice,
        `recall_micro` that of all decisions together; where the task is binary, `recall` is that of the
        positive class. As in scikit-learn, a ratio whose denominator is 0 counts as 0. An area is NaN
        where its class, or for the ROC curve any other class, does not occur. One answer that is not
        finite makes every number NaN. Beside the numbers are tables: of each class how often it was
        predicted, and where every answer is finite the curves of up to 20 classes.
        """
        if not self.confusion:
            return {}
        names, matrix = self._matrix()
        of_class = self._of_classes(names, matrix)
        found = self._of_all(matrix) | self._averages(names, of_class)
        if self.binary:
            found |= {name: float(of_class[name][len(self.classes) - 1]) for name in OF_A_CLASS}
        for name in OF_A_CLASS:
            found |= {f"{name}[{names[at]}]": float(value) for at, value in enumerate(of_class[name])}
        if self.undefined:
            return {**dict.fromkeys(found, math.nan), **self._counts_of_classes(names, matrix)}
        return {**found, **self._counts_of_classes(names, matrix), curves.CURVES: self._curves(matrix)}

    def _counts_of_classes(self, names: list[str], matrix: _Integers) -> dict[str, Table]:
        if len(self.classes) > _SHOWN_CLASSES:
            return {CLASS_COUNTS: _counts(self.classes, names, matrix)}
        return {CONFUSION_MATRIX: _table(self.classes, names, matrix)}

    def _curves(self, matrix: _Integers) -> Table:
        """The curves of the positive class, or of the classes with most sequences, in their order."""
        actual = matrix.sum(axis=1)[: len(self.classes)]
        most = np.argsort(-actual, kind="stable")[: curves.MOST_CLASSES]
        shown = [len(self.classes) - 1] if self.binary else sorted(most.tolist())
        return curves.table({self.classes[at]: self.scores[at] for at in shown})

    def _matrix(self) -> tuple[list[str], _Integers]:
        """Names of R true classes, those of the model first, and how each was predicted, [R, K]."""
        names = [*self.classes, *sorted(set(self.confusion) - set(self.classes))]
        nothing = np.zeros(len(self.classes), np.int64)
        return names, np.stack([self.confusion.get(name, nothing) for name in names])

    def _of_all(self, matrix: _Integers) -> dict[str, float]:
        total = max(int(matrix.sum()), 1)
        accuracy = float(np.trace(matrix)) / total
        _, hits, confidence = self.calibration
        found = {
            "accuracy": accuracy,
            "log_loss": self.log_loss / total,
            "calibration_error": float(np.abs(hits - confidence).sum()) / total,
        }
        # Each example has one class and one prediction: a false positive is another's false negative.
        found |= dict.fromkeys(("precision_micro", "recall_micro", "f1_micro"), accuracy)
        return found | {
            f"top_{k}_error": missed / total
            for k, missed in self.outside_top.items()
            if k < len(self.classes)
        }

    def _of_classes(self, names: list[str], matrix: _Integers) -> dict[str, _Floats]:
        """Metrics of each class against all others, by name, [R]."""
        unknown = len(names) - len(self.classes)
        actual, predicted = matrix.sum(axis=1), np.pad(matrix.sum(axis=0), (0, unknown))
        hits = np.pad(np.diag(matrix), (0, unknown))
        no_area = [math.nan] * unknown
        return {
            "precision": hits / np.maximum(predicted, 1),
            "recall": hits / np.maximum(actual, 1),
            "f1": 2 * hits / np.maximum(predicted + actual, 1),
            "auc": np.array([area_under_roc(scores) for scores in self.scores] + no_area),
            "pr_auc": np.array([average_precision(scores) for scores in self.scores] + no_area),
        }

    def _averages(self, names: list[str], of_class: dict[str, _Floats]) -> dict[str, float]:
        """Means over the classes that occur; of the areas, over those that the model knows as well."""
        occurs = np.array([name in self.confusion for name in names])
        known = occurs & (np.arange(len(names)) < len(self.classes))
        found = {
            f"{name}_macro": float(of_class[name][occurs].mean()) for name in ("precision", "recall", "f1")
        }
        for name in ("auc", "pr_auc"):
            found[f"{name}_macro"] = float(of_class[name][known].mean()) if known.any() else math.nan
        return {**found, "balanced_accuracy": found["recall_macro"]}


def _predicted(probabilities: _Floats) -> _Integers:
    """The class that the export answers with, [n]: of equally likely ones the last.

    So that a half is enough for the positive class of two.
    """
    return np.asarray(probabilities.shape[1] - 1 - probabilities[:, ::-1].argmax(axis=1), np.int64)


def _by_confidence(confidence: _Floats, hit: npt.NDArray[np.bool_]) -> _Floats:
    """Examples, hits and confidence in bins ((m-1)/15, m/15] of the confidence of the predicted class.

    What the expected calibration error is computed from: Guo et al., On Calibration of Modern Neural
    Networks, 2017, https://arxiv.org/abs/1706.04599.
    """
    edges = np.linspace(0, 1, _BINS + 1)
    bins = (np.searchsorted(edges, confidence) - 1).clip(0)
    sums = [np.bincount(bins, weights, _BINS) for weights in (np.ones(len(bins)), hit, confidence)]
    return np.stack(sums)


def _rank(probabilities: _Floats, of_truth: _Floats, true_classes: _Integers) -> _Integers:
    """How many classes come before the true one, [n]; of equal ones the later comes first.

    That is the order of scikit-learn's top_k_accuracy_score.
    """
    later = np.arange(probabilities.shape[1]) > true_classes[:, None]
    level = of_truth[:, None]
    before = (probabilities > level) | ((probabilities == level) & later)
    return np.asarray(before.sum(axis=1), np.int64)


def _counts(classes: list[str], names: list[str], matrix: _Integers) -> Table:
    """A row for each true class: its name, how often it was true, predicted and both.

    The last two are empty for a class that the model does not know.
    """
    unknown = [""] * (len(names) - len(classes))
    predicted = [*(str(count) for count in matrix.sum(axis=0)), *unknown]
    hits = [*(str(count) for count in np.diag(matrix)), *unknown]
    actual = [str(count) for count in matrix.sum(axis=1)]
    return np.array([list(row) for row in zip(names, actual, predicted, hits, strict=True)])


def _table(classes: list[str], names: list[str], matrix: _Integers) -> Table:
    """A confusion matrix with names: true classes down, predicted ones across."""
    rows = [[name, *map(str, row)] for name, row in zip(names, matrix, strict=True)]
    return np.array([["", *classes], *rows])


class ClassificationMetrics(metric_types.Metric):
    """Metrics of a model whose answer holds `probabilities` and `classes`; see `Classification.metrics`.

    Args:
      binary: whether the last of two classes is the positive one.
      name: of the metric in TFMA.
    """

    def __init__(self, binary: bool = False, name: str = "classification_metrics") -> None:
        super().__init__(_computations, binary=binary, name=name)


def _computations(
    binary: bool = False, name: str = "", model_names: Sequence[str] | None = None
) -> list[metric_types.MetricComputation]:
    del name
    return computations(partial(Classification, binary=binary), model_names)

"""TFMA's evaluation as plain data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from scipy import stats

from components.ingest.moments import moment_text
from components.trainer.metrics.classification import CLASS_COUNTS, CONFUSION_MATRIX
from components.verdict import shown
from components.verdict.shown import Shown
from components.verdict.slices import TIME, Slice
from components.verdict.tables import rows_of

_Floats = npt.NDArray[np.float64]

BOOTSTRAP_SAMPLES = 20  # of TFMA; how many cannot be set
_COUNT, _ERROR, _DIFFERENCE = "example_count", "__ERROR__", "_diff"


@dataclass(frozen=True)
class Confusion:
    """How often each class was predicted for examples of each true one.

    Attributes:
      classes: K class names that the model predicts.
      rows: true class, those of the model first, to how often each of `classes` was predicted for it, [K].
    """

    classes: list[str]
    rows: Mapping[str, list[int]]


@dataclass(frozen=True)
class Counts:
    """Counts by class, [R] each: of the K classes of the model first, then of others that occur.

    Attributes:
      classes: K class names of the model.
      names: all R class names.
      actual: sequences of each class.
      predicted: sequences said to be of each class; 0 of those that the model does not know.
      hits: of both.
    """

    classes: list[str]
    names: list[str]
    actual: _Floats
    predicted: _Floats
    hits: _Floats

    @classmethod
    def of(cls, confusion: Confusion) -> "Counts":
        """The counts in a confusion matrix."""
        matrix = np.array(list(confusion.rows.values()), np.float64)
        unknown = len(confusion.rows) - len(confusion.classes)
        predicted, hits = (np.pad(one, (0, unknown)) for one in (matrix.sum(axis=0), np.diag(matrix)))
        return cls(confusion.classes, list(confusion.rows), matrix.sum(axis=1), predicted, hits)

    def of_class(self, name: str) -> int:
        """How many sequences are of a class."""
        return int(self.actual[self.names.index(name)]) if name in self.names else 0


@dataclass(frozen=True)
class SliceMetrics:
    """The metrics of one slice.

    Attributes:
      slice: feature to value, empty for overall.
      examples: sequences in the slice.
      metrics: name to value; None where it is undefined in this slice.
      confusion: of classifiers that do not have too many classes to show.
      deviations: name to the standard deviation of the value, where TFMA resampled it.
      counts: of classifiers.
      shown: overall: what else of the answers is shown.
    """

    slice: Slice
    examples: int
    metrics: Mapping[str, float | None]
    confusion: Confusion | None = None
    deviations: Mapping[str, float] = field(default_factory=dict)
    counts: Counts | None = None
    shown: Shown | None = None


@dataclass(frozen=True)
class Evaluated:
    """What TFMA measured on one split.

    Attributes:
      slices: of the model; overall first, then by feature and value. Empty without examples.
      baseline: the same of the baseline, if there was one.
      differences: overall, name to (model minus baseline, its standard deviation): of the same resampled
        examples for both.
    """

    slices: list[SliceMetrics]
    baseline: list[SliceMetrics] = field(default_factory=list)
    differences: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What is known of a model.

    Attributes:
      eval: what was measured on the evaluation split, beside the last blessed model where there is one.
      train: slices of the training split.
      trivial: name of a trivial model to its metrics on the evaluation split.
      no_baseline: why there is no comparison with the last blessed model; empty where there is one.
      first: whether that is because no other model has been blessed yet.
    """

    eval: Evaluated
    train: Sequence[SliceMetrics] = ()
    trivial: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    no_baseline: str = ""
    first: bool = False

    @property
    def overall(self) -> SliceMetrics:
        """The metrics of the whole evaluation split."""
        return self.eval.slices[0]

    @property
    def trained(self) -> SliceMetrics | None:
        """The metrics of the whole training split, where it was measured."""
        return next((one for one in self.train if not one.slice), None)


def read_evaluation(uri: str, names: Mapping[str, str]) -> Evaluated:
    """Reads a ModelEvaluation artifact.

    Args:
      uri: of the artifact.
      names: feature that TFMA slices by to what the slice is called, where that is another name.
    """
    result = tfma.load_eval_result(uri)
    if len(result.config.model_specs) == 1:
        return Evaluated(_slices(result.slicing_metrics, names))
    slices, baseline = (
        _slices(tfma.load_eval_result(uri, model_name=name).slicing_metrics, names)
        for name in (tfma.CANDIDATE_KEY, tfma.BASELINE_KEY)
    )
    apart = {}
    for one in slices:
        if not one.slice:
            apart = {
                name.removesuffix(_DIFFERENCE): (value, one.deviations[name])
                for name, value in one.metrics.items()
                if name.endswith(_DIFFERENCE) and value is not None and name in one.deviations
            }
    return Evaluated([_without_differences(one) for one in slices], baseline, apart)


def _without_differences(one: SliceMetrics) -> SliceMetrics:
    kept = {name: value for name, value in one.metrics.items() if not name.endswith(_DIFFERENCE)}
    return replace(one, metrics=kept)


def _slices(found: Any, names: Mapping[str, str]) -> list[SliceMetrics]:
    slices = [_slice_metrics(key, values[""][""], names) for key, values in found]
    return sorted(slices, key=lambda one: [(name, _natural(value)) for name, value in one.slice.items()])


def _slice_metrics(
    key: tuple[tuple[str, object], ...], values: Mapping[str, Any], names: Mapping[str, str]
) -> SliceMetrics:
    confusion = _confusion(values[CONFUSION_MATRIX]) if CONFUSION_MATRIX in values else None
    counts = _counts(values[CLASS_COUNTS]) if CLASS_COUNTS in values else None
    tables = (CONFUSION_MATRIX, CLASS_COUNTS, *shown.TABLES, _ERROR)
    numbers = {name: value for name, value in values.items() if name not in tables}
    metrics = {name: _number(value) for name, value in numbers.items()}
    deviations = {name: _deviation(value) for name, value in numbers.items() if "boundedValue" in value}
    return SliceMetrics(
        slice={names.get(column, column): _said(names.get(column), _text(value)) for column, value in key},
        examples=int(metrics.pop(_COUNT) or 0),
        metrics=dict(sorted(metrics.items())),
        confusion=confusion,
        deviations={name: value for name, value in deviations.items() if math.isfinite(value)},
        counts=Counts.of(confusion) if confusion else counts,
        shown=None if key else shown.read(values),
    )


def _said(name: str | None, value: str) -> str:
    return moment_text(int(value)) if name == TIME else value


def _confusion(value: Mapping[str, Any]) -> Confusion:
    (_, *classes), *rows = rows_of(value)
    return Confusion(classes, {row[0]: [int(cell) for cell in row[1:]] for row in rows})


def _counts(value: Mapping[str, Any]) -> Counts:
    rows = rows_of(value)
    actual, predicted, hits = (
        np.array([float(row[column] or 0) for row in rows]) for column in range(1, len(rows[0]))
    )
    return Counts([row[0] for row in rows if row[2]], [row[0] for row in rows], actual, predicted, hits)


def _number(value: Mapping[str, Any]) -> float | None:
    """A metric's value, with TFMA's interval or without."""
    number = float(value["boundedValue"]["value"] if "boundedValue" in value else value["doubleValue"])
    return number if math.isfinite(number) else None


def _deviation(value: Mapping[str, Any]) -> float:
    """The standard deviation that TFMA made a 95 % interval of Student's t of."""
    bounds = value["boundedValue"]
    reach = (float(bounds["upperBound"]) - float(bounds["lowerBound"])) / 2
    return reach / float(stats.t.ppf(0.975, BOOTSTRAP_SAMPLES - 1))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _natural(text: str) -> tuple[float, str]:
    """Numbers and ranges such as 12-17 by their first number, then text."""
    digits = text.removesuffix("+").partition("-")[0]
    return (float(digits), text) if digits.isdecimal() else (math.inf, text)

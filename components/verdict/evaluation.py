"""TFMA's evaluation as plain data."""

import base64
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow_model_analysis as tfma

from components.trainer.metrics.classification import CONFUSION_MATRIX
from components.verdict.slices import Slice

_COUNT = "example_count"

Missed = set[tuple[tuple[tuple[str, str], ...], str, str, float]]  # (slice, metric, min or max, bound)


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
class SliceMetrics:
    """The metrics of one slice.

    Attributes:
      slice: feature to value, empty for overall.
      examples: sequences in the slice.
      metrics: name to value; None where it is undefined in this slice.
      confusion: of classifiers that do not have too many classes to show.
    """

    slice: Slice
    examples: int
    metrics: Mapping[str, float | None]
    confusion: Confusion | None = None

    def as_json(self) -> dict[str, object]:
        """The slice as it stands in evaluation.json; without intervals, for they are not measured yet."""
        one: dict[str, object] = {
            "slice": dict(self.slice),
            "examples": self.examples,
            "metrics": {
                name: {"value": value, "lower": None, "upper": None} for name, value in self.metrics.items()
            },
        }
        return one if self.confusion is None else {**one, CONFUSION_MATRIX: asdict(self.confusion)}


def read_evaluation(uri: str, label: str) -> list[SliceMetrics]:
    """Reads a ModelEvaluation artifact; overall first, then the slices by feature and value.

    Args:
      uri: of the artifact.
      label: name of the label feature, whose slices are called `label`.
    """
    result = tfma.load_eval_result(uri)
    slices = [_slice_metrics(key, values[""][""], label) for key, values in result.slicing_metrics]
    return sorted(slices, key=lambda one: [(name, _natural(value)) for name, value in one.slice.items()])


def read_failures(uri: str, label: str) -> tuple[bool, Missed]:
    """TFMA's own validation of a ModelEvaluation artifact.

    Returns:
      Whether every bound was met; and what was missed, as (slice, metric, `min` or `max`, bound).
    """
    result = tfma.load_validation_result(uri)
    missed: Missed = set()
    for validated in result.metric_validations_per_slice:
        where = tuple(
            (_feature(key.column, label), _value(key)) for key in validated.slice_key.single_slice_keys
        )
        for failure in validated.failures:
            bound = failure.metric_threshold.value_threshold
            for side, name in (("lower_bound", "min"), ("upper_bound", "max")):
                if bound.HasField(side):
                    missed.add((where, failure.metric_key.name, name, getattr(bound, side).value))
    return bool(result.validation_ok), missed


def _slice_metrics(
    key: tuple[tuple[str, object], ...], values: Mapping[str, object], label: str
) -> SliceMetrics:
    metrics = {name: _number(value) for name, value in values.items() if name != CONFUSION_MATRIX}
    table = values.get(CONFUSION_MATRIX)
    return SliceMetrics(
        slice={_feature(column, label): _text(value) for column, value in key},
        examples=int(metrics.pop(_COUNT) or 0),
        metrics=dict(sorted(metrics.items())),
        confusion=_confusion(table) if isinstance(table, dict) else None,
    )


def _confusion(value: Mapping[str, Any]) -> Confusion:
    """Reads what TFMA makes of an array of text: its shape, and base64 of each cell."""
    array = value["arrayValue"]
    cells = [base64.b64decode(cell).decode() for cell in array["bytesValues"]]
    width = array["shape"][1]
    (_, *classes), *rows = (cells[start : start + width] for start in range(0, len(cells), width))
    return Confusion(classes, {row[0]: [int(cell) for cell in row[1:]] for row in rows})


def _feature(column: str, label: str) -> str:
    return "label" if column == label else column


def _number(value: object) -> float | None:
    number = float(value["doubleValue"]) if isinstance(value, dict) else math.nan
    return number if math.isfinite(number) else None


def _value(key: object) -> str:
    kind = key.WhichOneof("kind")  # type: ignore[attr-defined]
    return _text(getattr(key, kind))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _natural(text: str) -> tuple[float, str]:
    """Numbers and ranges such as 12-17 by their first number, then text."""
    digits = text.removesuffix("+").partition("-")[0]
    return (float(digits), text) if digits.isdecimal() else (math.inf, text)

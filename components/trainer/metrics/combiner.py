"""What the metrics of all tasks share: how TFMA hands examples to them and takes their values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.metrics import metric_types

Answer = Mapping[str, Any] | Any  # the model's outputs for one example by name; of one output its value
# A value that is no number, so that no bound can be held against it; of objects where cells differ in length.
Table = npt.NDArray[np.str_] | npt.NDArray[np.object_]

_PENDING = 1000  # examples gathered before they are counted together


class Tally(Protocol):
    """What the metrics of one slice are computed from; bounded, whatever the number of examples."""

    def add(self, labels: Sequence[Any], answers: Sequence[Answer]) -> None:
        """Counts examples: the label of each (None where the task has none) and the model's answer."""

    def merge(self, other: Any) -> None:
        """Adds what a tally of the same class counted in another part of the data."""

    def metrics(self) -> dict[str, float | Table]:
        """Every metric by name; NaN where it is undefined, empty without examples.

        TFMA takes an absent metric as a missed bound, also in slices the bound is not for.
        """


@dataclass
class _Gathered:
    """A tally, and the examples it has not counted yet."""

    tally: Tally
    labels: list[Any] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def settle(self) -> Tally:
        if self.answers:
            self.tally.add(self.labels, self.answers)
            self.labels, self.answers = [], []
        return self.tally


class TallyCombiner(beam.CombineFn):
    """Combines the examples of a slice in a tally.

    Args:
      empty: makes a tally without examples; picklable.
      model_name: of TFMA's model spec; empty where there is one model.
    """

    def __init__(self, empty: Callable[[], Tally], model_name: str) -> None:
        self._empty = empty
        self._model_name = model_name

    def create_accumulator(self) -> _Gathered:
        """A tally without examples."""
        return _Gathered(self._empty())

    def add_input(self, gathered: _Gathered, element: metric_types.StandardMetricInputs) -> _Gathered:
        """Takes one example; they are counted a thousand at a time."""
        model = self._model_name or None
        gathered.labels.append(element.get_labels(model))
        gathered.answers.append(element.get_predictions(model))
        if len(gathered.answers) >= _PENDING:
            gathered.settle()
        return gathered

    def merge_accumulators(self, accumulators: Iterable[_Gathered]) -> _Gathered:
        """One tally of all parts."""
        merged = self.create_accumulator()
        for gathered in accumulators:
            merged.tally.merge(gathered.settle())
        return merged

    def compact(self, gathered: _Gathered) -> _Gathered:
        """Counts what is pending, before the tally travels."""
        gathered.settle()
        return gathered

    def extract_output(self, gathered: _Gathered) -> dict[metric_types.MetricKey, float | Table]:
        """The metrics by TFMA's key; a number that is not finite is NaN, which meets no bound."""
        return {
            # Thresholds by name look for example_weighted=None, which is not the default of a key.
            metric_types.MetricKey(name=name, model_name=self._model_name, example_weighted=None): value
            if isinstance(value, np.ndarray) or np.isfinite(value)
            else np.nan
            for name, value in gathered.settle().metrics().items()
        }


def computations(
    empty: Callable[[], Tally], model_names: Sequence[str] | None
) -> list[metric_types.MetricComputation]:
    """What TFMA computes for a metric: one combiner a model, over its answers and the labels."""
    return [
        metric_types.MetricComputation(
            # TFMA takes computations with the same keys for one, and would leave out the second model.
            keys=[metric_types.MetricKey(name=f"_{TallyCombiner.__name__}", model_name=name)],
            preprocessors=None,
            combiner=TallyCombiner(empty, name),
        )
        for name in model_names or [""]
    ]


def text(value: Any) -> str:
    """The one text of a label or a class name, which TensorFlow hands over as bytes in an array."""
    item = np.ravel(value)[0]
    return item.decode() if isinstance(item, bytes) else str(item)


def numbers(values: Iterable[Any]) -> npt.NDArray[np.float64]:
    """One number each, scalar or in an array of one, as [n]."""
    return np.array([np.ravel(value)[0] for value in values], np.float64)

"""What TFMA would say of a slice, from the tally that TFMA would have combined, without running it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.trainer.metrics.classification import CONFUSION_MATRIX, Classification
from components.verdict.evaluation import Confusion, Counts, SliceMetrics
from components.verdict.slices import Slice

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def slice_metrics(
    labels: Integers,
    probabilities: npt.NDArray[Any],
    classes: Sequence[str],
    where: Slice | None = None,
) -> SliceMetrics:
    """The metrics of one slice.

    Args:
      labels: [n] places of the true classes among `classes`, at least one.
      probabilities: [n, K].
      classes: K names; of two the last is the positive one.
      where: the slice; None is overall.
    """
    tally = Classification(binary=len(classes) == 2)
    tally.add_columns(np.array(classes)[labels], probabilities, list(classes))
    found = tally.metrics()
    (_, *known), *rows = np.asarray(found.pop(CONFUSION_MATRIX)).tolist()
    confusion = Confusion(known, {name: [int(cell) for cell in row] for name, *row in rows})
    return SliceMetrics(
        slice=where or {},
        examples=len(labels),
        metrics={name: _finite(value) for name, value in found.items() if not isinstance(value, np.ndarray)},
        confusion=confusion,
        counts=Counts.of(confusion),
    )


def by_label(labels: Integers, probabilities: npt.NDArray[Any], classes: Sequence[str]) -> list[SliceMetrics]:
    """Overall, then each label that there is."""
    slices = [slice_metrics(labels, probabilities, classes)]
    for place, name in enumerate(classes):
        if (inside := labels == place).any():
            slices.append(slice_metrics(labels[inside], probabilities[inside], classes, {"label": name}))
    return slices


def measured(one: SliceMetrics, metric: str) -> float:
    """A metric that is defined."""
    value = one.metrics[metric]
    assert value is not None
    return value


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None

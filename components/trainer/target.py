"""What a model learns to answer, and the weight of each sequence; wrong labels end here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.trainer.classes import in_order
from components.trainer.model import Head
from pipeline.config import Training
from pipeline.errors import ConfigError, DataRefused

_EXACT_TO = 2**24  # float32 has all whole numbers up to here
_ROUNDING = 0.01  # distance of two float32 numbers, as a share of the deviation, that does no harm


@dataclass(frozen=True)
class Target:
    """The label as a model learns it.

    Attributes:
      head: what the model answers.
      classes: text of each class, in the order of the ids; of two the last is the positive one.
      weights: [classes] weight of a sequence's loss by its class; empty where all weigh the same.
    """

    head: Head
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()


def class_target(
    task: str, classes: Sequence[str], positive: str | None, labels: npt.NDArray[Any], training: Training
) -> Target:
    """The target of `binary` and `multiclass`.

    Args:
      task: which of the two.
      classes: of the training split.
      positive: the class that `binary` is about; None is the last in order.
      labels: [N] class of each sequence of the training split, as bytes.
      training: `class_weight`: `balanced` gives each class the same weight in total, N / (classes *
        its sequences), as in King & Zeng, 2001 (https://doi.org/10.1093/oxfordjournals.pan.a004868).

    Raises:
      DataRefused: a label that is no class; one class only, or not two for `binary`.
      ConfigError: `data.positive` or `training.class_weight` names no class.
    """
    _refuse_unknown(labels, classes)
    ordered = in_order(classes, positive)
    if len(ordered) < 2:
        raise DataRefused(
            "the training split has one class only",
            [f"every sequence is {ordered[0]!r}; a model needs at least two classes to tell apart"],
        )
    if task == "binary" and len(ordered) != 2:
        raise DataRefused(
            "task binary needs two classes",
            [f"the training split has {len(ordered)}: {', '.join(ordered)}; use task: multiclass"],
        )
    head = Head(task, 1 if task == "binary" else len(ordered))
    return Target(head, ordered, _class_weights(ordered, labels, training))


def _refuse_unknown(labels: npt.NDArray[Any], classes: Sequence[str]) -> None:
    unknown = labels[~np.isin(labels, np.array([text.encode() for text in classes], dtype=object))]
    if len(unknown):
        example = unknown[0].decode(errors="replace")
        raise DataRefused(
            "labels that are no class",
            [
                f"{len(unknown):,} of {len(labels):,} sequences, such as {example!r}; "
                "expected text without line breaks; mend these labels, or leave these sequences out"
            ],
        )


def _class_weights(
    classes: tuple[str, ...], labels: npt.NDArray[Any], training: Training
) -> tuple[float, ...]:
    wanted = training.class_weight
    if wanted == "none":
        return ()
    if isinstance(wanted, dict):
        if unknown := sorted(set(wanted) - set(classes)):
            raise ConfigError(
                "training.class_weight names classes that do not occur",
                [
                    f"expected {', '.join(classes)}, got {', '.join(unknown)} "
                    "(YAML reads yes and no as true and false; in quotation marks they are text)"
                ],
            )
        weights = tuple(wanted.get(text, 1.0) for text in classes)
        if sum(weight > 0 for weight in weights) < 2:
            raise ConfigError(
                "training.class_weight leaves nothing to tell apart",
                [f"expected at least two of {', '.join(classes)} with a weight above 0"],
            )
        return weights
    counts = [int((labels == text.encode()).sum()) for text in classes]
    return tuple(len(labels) / (len(classes) * max(1, count)) for count in counts)


def number_target(labels: npt.NDArray[np.float32]) -> Target:
    """The target of `regression`: (label - mean) / standard deviation of [N] labels.

    Raises:
      DataRefused: a label is no number, all are the same, or float32 rounds away how they differ.
    """
    if not np.isfinite(labels).all():
        bad = int((~np.isfinite(labels)).sum())
        raise DataRefused(
            "labels that are no finite number", [f"{bad:,} of {len(labels):,}; leave these sequences out"]
        )
    exact = labels.astype(np.float64)
    largest = np.float32(np.abs(labels).max())
    if largest >= _EXACT_TO and np.spacing(largest) > _ROUNDING * exact.std():
        raise DataRefused(
            "labels too far from 0 for float32, which tf.Example holds numbers in",
            [
                f"numbers near {exact.mean():g} are {np.spacing(largest):g} apart in float32, and the "
                f"labels' standard deviation is {exact.std():g}; subtract a fixed number from the label"
            ],
        )
    if exact.min() == exact.max():
        raise DataRefused(
            "all labels are the same",
            [f"every label is {exact[0]:g}; there is nothing to learn"],
        )
    return Target(Head("regression", 1, float(exact.std()), float(exact.mean())))

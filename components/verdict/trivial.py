"""Trivial models that a GRU must beat to be worth shipping: they guess, or ignore the order of the steps.

Those of generation are in `components.verdict.trivial_generation`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

from components.transform.tokens import FIRST_TOKEN

SHARES = 16  # most frequent tokens of a feature whose shares are looked at
INVERSE_PENALTY = 1.0  # of the logistic regression: what scikit-learn calls C
RIDGE_PENALTY = 1e-3  # on standardised columns: enough that equal columns share a weight

_ROUNDING = 1e-7  # about the precision of float32: a smaller relative deviation is none
_ITERATIONS = 200
_PRECISE_ENOUGH = 1e-6  # slope of the mean log loss at which the logistic regression is fitted

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Steps:
    """The steps of N sequences, M together, one sequence after the other.

    Attributes:
      numbers: [M, numbers] z-scores, NaN where one is missing.
      tokens: [M, features of tokens] ids, see `components.transform.tokens`.
      lengths: [N] steps of each sequence.
    """

    numbers: npt.NDArray[Any]
    tokens: npt.NDArray[Any]
    lengths: _Integers

    @cached_property
    def starts(self) -> _Integers:
        """The first step of each sequence, [N]."""
        return np.asarray(np.cumsum(self.lengths) - self.lengths, np.int64)

    @cached_property
    def sequence(self) -> _Integers:
        """The sequence of each step, [M]."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def following(self) -> _Integers:
        """The steps but the first of each sequence, ascending."""
        return np.flatnonzero(np.arange(self.lengths.sum()) > np.repeat(self.starts, self.lengths))


@dataclass(frozen=True)
class Summaries:
    """What trivial models see of N sequences.

    Attributes:
      order_free: [N, columns]; the same, but for rounding, in whatever order the steps stand. Of each
        feature of numbers the mean, the minimum and the maximum of its known steps, 0 where none is
        known; of each feature of tokens the share of steps of each of its 16 most frequent ones; and the
        length.
      last: [N, numbers] the last known value of each feature of numbers, 0 where none is known.
    """

    order_free: _Floats
    last: _Floats


Predictor = Callable[[Summaries], _Floats]


def summarise(steps: Steps) -> Summaries:
    """Summaries of sequences, which may be empty."""
    numbers = [_of_numbers(column, steps) for column in steps.numbers.T]
    order_free = [found[:, :3] for found in numbers]
    order_free += [_shares(column, steps) for column in steps.tokens.T]
    last = [found[:, 3:] for found in numbers]
    none = np.zeros((len(steps.lengths), 0))
    return Summaries(
        np.concatenate([*order_free, steps.lengths[:, None].astype(np.float64)], axis=1),
        np.concatenate([none, *last], axis=1),
    )


def joined(parts: list[Summaries]) -> Summaries:
    """The sequences of all parts, at least one."""
    return Summaries(
        np.concatenate([part.order_free for part in parts]), np.concatenate([part.last for part in parts])
    )


def _of_numbers(values: npt.NDArray[Any], steps: Steps) -> _Floats:
    """Mean, minimum, maximum and last one of the known values of each sequence, [N, 4]."""
    known = ~np.isnan(values)
    counts = np.bincount(steps.sequence[known], minlength=len(steps.lengths))
    filled = counts > 0  # reduceat knows no empty sequence
    ends = np.cumsum(counts[filled])
    starts, values = ends - counts[filled], values[known].astype(np.float64)
    found = np.zeros((len(counts), 4))
    if len(values):
        found[filled, 0] = np.add.reduceat(values, starts) / counts[filled]
        found[filled, 1] = np.minimum.reduceat(values, starts)
        found[filled, 2] = np.maximum.reduceat(values, starts)
        found[filled, 3] = values[ends - 1]
    return found


def _shares(ids: npt.NDArray[Any], steps: Steps) -> _Floats:
    """The share of steps of each of the ids from `FIRST_TOKEN` on, which stand by frequency, [N, 16].

    What is missing to 1 is the share of all others.
    """
    places = ids.astype(np.int64) - FIRST_TOKEN
    frequent = (places >= 0) & (places < SHARES)
    cells = steps.sequence[frequent] * SHARES + places[frequent]
    counts = np.bincount(cells, minlength=len(steps.lengths) * SHARES).reshape(-1, SHARES)
    shares: _Floats = counts / np.maximum(steps.lengths, 1)[:, None]
    return shares


@dataclass(frozen=True)
class _Standard:
    """Columns as z-scores; those that hardly vary are left out."""

    kept: npt.NDArray[np.bool_]
    mean: _Floats
    deviation: _Floats

    def __call__(self, table: _Floats) -> _Floats:
        scores: _Floats = (table[:, self.kept] - self.mean) / self.deviation
        return scores


def _standard(table: _Floats) -> _Standard:
    deviation = table.std(axis=0)
    kept = deviation > _ROUNDING * np.abs(table).max(axis=0)
    return _Standard(kept, table[:, kept].mean(axis=0), deviation[kept])


def classifiers(train: Summaries, labels: _Integers, classes: int) -> dict[str, Predictor]:
    """Trivial models of classes; each answers probabilities [N, classes].

    `majority_class` is sure of the most frequent class, of equally frequent ones the first;
    `label_frequencies` answers how frequent each class is; `linear` is a logistic regression on the
    order-free summaries.

    Args:
      train: of N sequences, at least one.
      labels: [N] numbers of their classes.
      classes: how many there are.
    """
    frequencies = np.bincount(labels, minlength=classes) / len(labels)
    majority = np.eye(classes)[frequencies.argmax()]
    standard = _standard(train.order_free)
    weights = logistic_regression(standard(train.order_free), labels, classes)

    def linear(asked: Summaries) -> _Floats:
        return _softmax(standard(asked.order_free) @ weights[:-1] + weights[-1])

    return {
        "majority_class": lambda asked: np.tile(majority, (len(asked.last), 1)),
        "label_frequencies": lambda asked: np.tile(frequencies, (len(asked.last), 1)),
        "linear": linear,
    }


def logistic_regression(table: _Floats, labels: _Integers, classes: int) -> _Floats:
    """Weights of a multinomial logistic regression, [columns + 1, classes]; the last row is the intercept.

    Minimises the log loss (Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.108) by
    its gradient (4.109), with half the squared weights, but not intercepts, added to its sum: the
    solution of scikit-learn's LogisticRegression with C = 1. Of two classes, for which scikit-learn
    has one row of weights instead of two that mirror each other, it is that of C = 2.

    Args:
      table: [N, columns] standardised.
      labels: [N] numbers of classes.
      classes: how many there are.
    """
    design = np.column_stack([table, np.ones(len(table))])
    rows, count = np.arange(len(design)), len(design)
    penalty = np.full((design.shape[1], 1), 1 / (INVERSE_PENALTY * count))
    penalty[-1] = 0

    def loss(flat: _Floats) -> tuple[float, _Floats]:
        weights = flat.reshape(-1, classes)
        logits = design @ weights
        logits -= logits.max(axis=1, keepdims=True)
        of_truth = logits[rows, labels]
        errors = np.exp(logits, out=logits)
        total = errors.sum(axis=1, keepdims=True)
        log_loss = float((np.log(total[:, 0]) - of_truth).mean())
        errors /= total
        errors[rows, labels] -= 1
        gradient = design.T @ errors / count + penalty * weights
        return log_loss + float((penalty * weights**2).sum()) / 2, gradient.ravel()

    start = np.zeros((design.shape[1], classes))
    start[-1] = np.log(np.bincount(labels, minlength=classes) + 0.5)
    start[-1] -= start[-1].mean()
    options = {"maxiter": _ITERATIONS, "gtol": _PRECISE_ENOUGH, "ftol": 1e-12, "maxcor": 20}
    found = optimize.minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x, np.float64).reshape(-1, classes)


def _softmax(logits: _Floats) -> _Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def regressors(train: Summaries, labels: _Floats) -> dict[str, Predictor]:
    """Trivial models of a number; each answers [N].

    `mean` is that of the labels; `linear` a ridge regression on the order-free summaries; `last_value`
    one on the last known numbers, where there are any.

    Args:
      train: of N sequences, at least one.
      labels: [N].
    """
    mean = labels.mean()
    found: dict[str, Predictor] = {"mean": lambda asked: np.full(len(asked.last), mean)}
    if train.last.shape[1]:
        of_last = _ridge(train.last, labels)
        found["last_value"] = lambda asked: of_last(asked.last)
    of_all = _ridge(train.order_free, labels)
    return {**found, "linear": lambda asked: of_all(asked.order_free)}


def _ridge(table: _Floats, labels: _Floats) -> Callable[[_Floats], _Floats]:
    """Least squares on standardised columns, with a small penalty on the squared weights."""
    standard, mean = _standard(table), labels.mean()
    columns = standard(table)
    square = columns.T @ columns + RIDGE_PENALTY * np.eye(columns.shape[1])
    weights = np.linalg.solve(square, columns.T @ (labels - mean))
    return lambda asked: standard(asked) @ weights + mean

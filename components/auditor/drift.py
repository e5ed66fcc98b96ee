"""Compares the two splits: features and labels that are distributed otherwise."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import stats

from components.auditor.checks import WARNING
from components.auditor.columns import Numbers, columns_of, missing_shares
from components.auditor.expected import Expected
from components.auditor.findings import BOTH_SPLITS, Draft, share
from components.auditor.lists import Mask
from components.auditor.profile import Profile
from components.auditor.sample import Sample
from components.auditor.shape import as_text, label_texts
from components.auditor.tables import step_counts

_CONFIDENCE = 1e-3  # probability of a false alarm over all features together
_DISTANCE = 0.05  # what the distance must exceed at least, at that confidence
_FEWEST_SERIES = 20


def drift(sample: Sample, expected: Expected, profile: Profile) -> Iterator[Draft]:
    """Findings of split-drift and label-drift.

    The distance is Kolmogorov and Smirnov's: the largest difference of the two distribution functions.
    By Massart (1990) it exceeds sqrt(ln(2 / p) / 2) · sqrt((n + m) / (n m)) by chance with probability of
    at most about p; that much is taken off before it is held against 0.05. Of windows only as many count
    as do not overlap, or where there are 20 series and more on each side, the series.
    """
    train, evaluated = ~sample.evaluated, sample.evaluated
    if train.sum() < 2 or evaluated.sum() < 2:
        return
    sizes = [_independent(sample, side, expected) for side in (train, evaluated)]
    tests = list(_tests(sample, profile))
    for name, what, values in tests:
        distance = _distance(values[train], values[evaluated])
        low = distance - _by_chance(sizes, len(tests))
        if low > _DISTANCE:
            message = (
                f"{what} differs between the splits: {_middle(values[train])} in train, "
                f"{_middle(values[evaluated])} in eval (distance {distance:.2f}, at least {low:.2f})"
            )
            yield Draft("split-drift", WARNING, BOTH_SPLITS, name, message, int(evaluated.sum()))
    yield from _label_drift(sample, expected, sizes)


def _tests(sample: Sample, profile: Profile) -> Iterator[tuple[str, str, Numbers]]:
    features = {name: sample.columns[name] for name in profile.features if name in sample.columns}
    for name, feature in features.items():
        if name in profile.texts or not len(feature.values):
            continue
        columns, values = columns_of(name, feature, profile)
        yield name, f"its {columns[0].what}", values[:, 0]
    steps = step_counts(features, len(sample))
    if len(sample) and np.ptp(steps):
        yield "", "the number of steps", steps.astype(np.float64)
    for name, missing in missing_shares(features, steps).items():
        yield name, "how much of it is missing", missing


def _independent(sample: Sample, side: Mask, expected: Expected) -> float:
    """Sequences of a split that count, for windows fewer than there are."""
    count = int(side.sum())
    if not expected.windows:
        return float(count)
    series = len(np.unique(sample.series[side]))
    if series >= _FEWEST_SERIES:
        return float(series)
    apart = count * expected.stride / int(expected.window_length or 1)
    return float(max(1.0, min(count, apart)))


def _distance(train: Numbers, evaluated: Numbers) -> float:
    train, evaluated = train[~np.isnan(train)], evaluated[~np.isnan(evaluated)]
    if not len(train) or not len(evaluated):
        return 0.0
    at = np.unique(np.concatenate([train, evaluated]))
    below = [np.searchsorted(np.sort(side), at, side="right") / len(side) for side in (train, evaluated)]
    return float(np.abs(below[0] - below[1]).max())


def _by_chance(sizes: list[float], tests: int) -> float:
    n, m = sizes
    return float(np.sqrt(np.log(2 * max(1, tests) / _CONFIDENCE) / 2) * np.sqrt((n + m) / (n * m)))


def _middle(values: Numbers) -> str:
    known = values[~np.isnan(values)]
    return f"{np.median(known):.4g}" if len(known) else "nothing"


def _label_drift(sample: Sample, expected: Expected, sizes: list[float]) -> Iterator[Draft]:
    column = sample.columns.get(expected.label or "")
    if column is None or not len(column.values):
        return
    values, rows = column.firsts()
    evaluated = sample.evaluated[rows]
    count = int(evaluated.sum())
    if expected.regression:
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
        distance = _distance(numbers[~evaluated], numbers[evaluated])
        low = distance - _by_chance(sizes, 1)
        if low > _DISTANCE:
            message = (
                f"it differs between the splits: median {_middle(numbers[~evaluated])} in train, "
                f"{_middle(numbers[evaluated])} in eval (distance {distance:.2f}, at least {low:.2f})"
            )
            yield Draft("label-drift", WARNING, BOTH_SPLITS, str(expected.label), message, count)
    else:
        yield from _class_drift(values, evaluated, sizes, str(expected.label))


def _class_drift(values: pa.Array, evaluated: Mask, sizes: list[float], label: str) -> Iterator[Draft]:
    """Shares of classes: Pearson's chi-squared test, and half the sum of the differences."""
    coded = label_texts(values).dictionary_encode()
    codes, classes = coded.indices.to_numpy(), len(coded.dictionary)
    counts = np.stack([np.bincount(codes[side], minlength=classes) for side in (~evaluated, evaluated)])
    if classes < 2 or (counts.sum(axis=1) == 0).any():
        return
    shares: npt.NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    effective = shares * np.minimum(counts.sum(axis=1), sizes)[:, None]
    kept = effective.sum(axis=0) > 0
    p_value = stats.chi2_contingency(effective[:, kept], correction=False).pvalue
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if p_value <= _CONFIDENCE and distance > _DISTANCE:
        worst = int(np.abs(shares[0] - shares[1]).argmax())
        text = as_text(coded.dictionary[worst].as_py())
        message = (
            f"class {text[:40]!r} is {share(counts[0, worst], counts[0].sum())} in train, "
            f"{share(counts[1, worst], counts[1].sum())} in eval"
        )
        yield Draft("label-drift", WARNING, BOTH_SPLITS, label, message, int(counts[1].sum()))

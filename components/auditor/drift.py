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
    sides = ~sample.evaluated, sample.evaluated
    if min(side.sum() for side in sides) < 2:
        return
    tests = list(_tests(sample, profile))
    for name, what, values in tests:
        train, evaluated = (values[side] for side in sides)
        distance = _distance(train, evaluated)
        sizes = [_independent(values, sample, side, expected) for side in sides]
        low = distance - _by_chance(sizes, len(tests))
        if low > _DISTANCE:
            message = (
                f"{what} differs between the splits: {_middle(train)} in train, "
                f"{_middle(evaluated)} in eval (distance {distance:.2f}, at least {low:.2f})"
            )
            yield Draft(
                "split-drift", WARNING, BOTH_SPLITS, name, message, len(evaluated), fix=_fix(expected)
            )
    yield from _label_drift(sample, expected)


def _fix(expected: Expected) -> str:
    """In a split by time the times may have changed; elsewhere what the check says."""
    by_time = expected.split_by == "time" or (expected.split_by == "order" and expected.windows)
    return "find out what changed between the two times, and whether it will again" if by_time else ""


def _tests(sample: Sample, profile: Profile) -> Iterator[tuple[str, str, Numbers]]:
    features = {name: sample.columns[name] for name in profile.features if name in sample.columns}
    for name, feature in features.items():
        if name in profile.texts or not len(feature.values):
            continue
        columns, values = columns_of(name, feature, profile)
        place = next((i for i, column in enumerate(columns) if column.what == "mean"), 0)
        what = columns[place].what
        yield name, what if what.startswith("its") else f"its {what}", values[:, place]
    steps = step_counts(features, len(sample))
    if len(sample) and np.ptp(steps):
        yield "", "the number of steps", steps.astype(np.float64)
    for name, missing in missing_shares(features, steps, profile).items():
        yield name, "how much of it is missing", missing


def _independent(values: Numbers, sample: Sample, side: Mask, expected: Expected) -> float:
    """Sequences of a split that count, for windows fewer than there are.

    Of m windows in a row that do not overlap, with correlation r of neighbours, m (1 - r) / (1 + r) count, as
    in a series of order 1 (Bayley and Hammersley 1946); where there are 20 series and more, these do.
    """
    rows = np.flatnonzero(side & ~np.isnan(values))
    if not expected.windows or not len(rows):
        return float(max(1, len(rows)))
    if (count := len(np.unique(sample.series[rows]))) >= _FEWEST_SERIES:
        return float(count)
    order = rows[np.lexsort([sample.start[rows], sample.series[rows]])]
    apart = values[order][:: -(-int(expected.window_length or 1) // expected.stride)]
    centred = apart - apart.mean()
    variance = float((centred**2).sum())
    r = float((centred[1:] * centred[:-1]).sum()) / variance if variance else 0.0
    r = min(0.999, max(0.0, r))
    return float(max(1.0, len(apart) * (1 - r) / (1 + r)))


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


def _label_drift(sample: Sample, expected: Expected) -> Iterator[Draft]:
    column = sample.columns.get(expected.label or "")
    if column is None or not len(column.values):
        return
    values, rows = column.firsts()
    evaluated = sample.evaluated[rows]
    count = int(evaluated.sum())
    labelled = sample.take(rows)
    if expected.regression:
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
        sizes = [_independent(numbers, labelled, side, expected) for side in (~evaluated, evaluated)]
        distance = _distance(numbers[~evaluated], numbers[evaluated])
        low = distance - _by_chance(sizes, 1)
        if low > _DISTANCE:
            message = (
                f"it differs between the splits: median {_middle(numbers[~evaluated])} in train, "
                f"{_middle(numbers[evaluated])} in eval (distance {distance:.2f}, at least {low:.2f})"
            )
            label = str(expected.label)
            yield Draft("label-drift", WARNING, BOTH_SPLITS, label, message, count, fix=_fix(expected))
    else:
        yield from _class_drift(values, labelled, expected)


def _class_drift(values: pa.Array, sample: Sample, expected: Expected) -> Iterator[Draft]:
    """Shares of classes: Pearson's chi-squared test, and half the sum of the differences."""
    coded = label_texts(values).dictionary_encode()
    texts = [as_text(value) for value in coded.dictionary.to_pylist()]
    names, codes = np.unique(np.array(texts, object), return_inverse=True)
    codes = codes.reshape(-1)[coded.indices.to_numpy()]
    sides = ~sample.evaluated, sample.evaluated
    counts = np.stack([np.bincount(codes[side], minlength=len(names)) for side in sides])
    if len(names) < 2 or (counts.sum(axis=1) == 0).any():
        return
    most = (codes == counts.sum(axis=0).argmax()).astype(np.float64)
    sizes = [_independent(most, sample, side, expected) for side in sides]
    shares: npt.NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    effective = shares * np.minimum(counts.sum(axis=1), sizes)[:, None]
    p_value = stats.chi2_contingency(effective[:, effective.sum(axis=0) > 0], correction=False).pvalue
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if p_value <= _CONFIDENCE and distance > _DISTANCE:
        worst = int(np.abs(shares[0] - shares[1]).round(12).argmax())
        message = (
            f"class {str(names[worst])[:40]!r} is {share(counts[0, worst], counts[0].sum())} in train, "
            f"{share(counts[1, worst], counts[1].sum())} in eval"
        )
        label = str(expected.label)
        yield Draft(
            "label-drift", WARNING, BOTH_SPLITS, label, message, int(counts[1].sum()), fix=_fix(expected)
        )

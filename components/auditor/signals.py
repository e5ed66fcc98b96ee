"""Looks for what alone tells the label of a training sequence: a feature, its id, length, order or gaps.

Every estimate is held out, and every decision takes the number of columns tried into account
(Bonferroni). With random labels no column reaches these thresholds: an error needs at most 1 % of the
errors of guessing and a probability of at most 0.0001 over all columns together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from components.auditor import series
from components.auditor.checks import ERROR, WARNING
from components.auditor.columns import (
    AT_BEGINNING,
    AT_END,
    AVERAGES,
    Column,
    Numbers,
    columns_of,
    missing_shares,
)
from components.auditor.expected import Expected
from components.auditor.findings import Draft, share
from components.auditor.lists import Ints, Lists, Mask
from components.auditor.predictors import Held, correlation_ratios, cross_fitted, explained, judged
from components.auditor.profile import Profile
from components.auditor.sample import Sample
from components.auditor.shape import TIME, as_text, label_texts
from components.auditor.sketches import mix, valid_text
from components.auditor.tables import TRAIN, step_counts
from components.auditor.tally import SHOWN, Tally

_CLASSES = 50  # most frequent ones
_FEWEST = 20  # sequences or series, below which nothing can be told
_REPRODUCES, _TOO_GOOD = 0.01, 0.05  # errors, as a share of those of guessing the most frequent class
_P_VALUE = 1e-4
_COPY = 0.9999  # correlation ratio from which on a number is the label with little noise
_DISTINCT = 20  # values, up to which a number is a code
_SCREEN = 0.3  # correlation ratio below which a single step is not looked at closely
_SHORTCUT = 0.5  # skill of what should tell nothing at all
_ID_PARTS = 12
_FEWEST_CARRIED = 5  # errors of a carried label, below which it cannot be told from the future
_ALIKE_R2 = 0.99
_CARRIED = 0.1  # share of the errors that a label carried forward from its last known value makes
_COPY_R2, _TOO_GOOD_R2 = 0.99999, 0.99
_FEWEST_CHANGES = 3  # of the label, below which windows tell nothing
_MOVING = 0.1  # share of the series whose label changes, from which on windows are judged one by one


@dataclass(frozen=True)
class Labelled:
    """Training sequences with a label.

    Attributes:
      sample: N sequences.
      labels: [N] numbers of classes, or the label itself.
      names: of the classes, the most frequent first; none for a label that is a number.
      fold: [N] which half each is in; what depends on each other is in one half.
      change_rate: for classes of windows: how often two neighbours differ.
      window: whether consecutive sequences are windows whose label changes with time.
    """

    sample: Sample
    labels: npt.NDArray[np.float64]
    names: tuple[str, ...]
    fold: Mask
    change_rate: float = 0.0
    window: bool = False

    def take(self, rows: Ints) -> "Labelled":
        """Some of the sequences."""
        return replace(self, sample=self.sample.take(rows), labels=self.labels[rows], fold=self.fold[rows])

    @property
    def classes(self) -> int:
        """How many classes; 0 for a label that is a number."""
        return len(self.names)

    @property
    def codes(self) -> Ints:
        """Numbers of the classes."""
        return self.labels.astype(np.int64)


def labelled(sample: Sample, expected: Expected, counted: Tally) -> Labelled | None:
    """The training sequences that signals are looked for in.

    Where nearly all series have one label each, one of its windows is kept: the others tell nothing new.

    Args:
      sample: sequences of both splits.
      expected: what the configuration says.
      counted: how often the label changes from one training window to the next, and in how many series.
    """
    changes, neighbours = counted.sum(series.LABEL_CHANGES, TRAIN), counted.sum(series.NEIGHBOURS, TRAIN)
    column = sample.columns.get(expected.label or "")
    if column is None or not len(column.values):
        return None
    values, rows = column.firsts()
    labels, names, known = _numbers(values) if expected.regression else _codes(values)
    rows, labels = rows[known], labels[known]
    train = ~sample.evaluated[rows]
    rows, labels = rows[train], labels[train]
    changing = counted.sum(series.CHANGING_SERIES, TRAIN) > _MOVING * counted.sum(series.TRAIN_SERIES, TRAIN)
    moving = expected.windows and changing and changes >= _FEWEST_CHANGES
    if expected.windows and not moving:
        _, once = np.unique(sample.series[rows], return_index=True)
        rows, labels = rows[once], labels[once]
    chosen = sample.take(rows)
    if len(rows) < _FEWEST or len(np.unique(labels)) < 2:
        return None
    fold = _halves(chosen, expected)
    return Labelled(chosen, labels, names, fold, changes / max(1, neighbours), moving)


def _codes(values: pa.Array) -> tuple[npt.NDArray[np.float64], tuple[str, ...], Mask]:
    coded = label_texts(values).dictionary_encode()
    codes, texts = coded.indices.to_numpy(), [as_text(value) for value in coded.dictionary.to_pylist()]
    often = np.bincount(codes, minlength=len(texts))
    order = sorted(range(len(texts)), key=lambda code: (-often[code], texts[code]))[:_CLASSES]
    rank = np.full(len(texts), _CLASSES)
    rank[order] = np.arange(len(order))
    found = rank[codes]
    return found.astype(np.float64), tuple(texts[code][:40] for code in order), found < _CLASSES


def _numbers(values: pa.Array) -> tuple[npt.NDArray[np.float64], tuple[str, ...], Mask]:
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers, (), np.isfinite(numbers)


def _halves(sample: Sample, expected: Expected) -> Mask:
    """Two halves: by series, or by stretches of the series where there are few."""
    key = sample.series
    if expected.windows and len(np.unique(key)) < _FEWEST:
        stretch = max(2 * int(expected.window_length or 1), int(np.ptp(sample.start)) // 40 + 1)
        key = mix(key ^ mix((sample.start // stretch).astype(np.uint64)))
    distinct = np.unique(key)
    # Every second of the keys in their order: halves of equal size, whatever the hash.
    half: Mask = np.searchsorted(distinct, key) % 2 == 0
    return half


def features_that_tell(found: Labelled, expected: Expected, profile: Profile) -> Iterator[Draft]:
    """Findings of label-as-feature and future-as-feature: the clearest column of each feature."""
    features = {name: found.sample.columns[name] for name in profile.features if name in found.sample.columns}
    made = {
        name: columns_of(name, feature, profile) for name, feature in features.items() if len(feature.values)
    }
    tried = sum(len(columns) for columns, _ in made.values())
    for columns, values in made.values():
        drafts = [
            draft
            for place in _worth_a_look(found, columns, values)
            if (draft := _tells(found, expected, columns[place], values[:, place], tried))
        ]
        if drafts:
            yield min(drafts, key=lambda one: (one.severity != ERROR, one.check == "future-as-feature"))


def _worth_a_look(found: Labelled, columns: list[Column], values: Numbers) -> Ints:
    """Columns over all steps, and those single steps whose values differ between classes."""
    if not found.classes:
        truth = found.labels - found.labels.mean()
        centred = np.nan_to_num(values - np.nan_to_num(_column_means(values)))
        scale = np.sqrt((centred**2).sum(axis=0) * (truth**2).sum())
        ratios = (
            np.divide(
                (centred * truth[:, None]).sum(axis=0), scale, out=np.zeros(len(columns)), where=scale > 0
            )
            ** 2
        )
    else:
        ratios = correlation_ratios(values, found.codes, found.classes)
    overall = np.array([column.where not in (AT_END, AT_BEGINNING) or column.step == 0 for column in columns])
    return np.flatnonzero(overall | (ratios >= _SCREEN))


def _column_means(values: Numbers) -> Numbers:
    known = ~np.isnan(values)
    means: Numbers = np.where(known, values, 0).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    return means


def _tells(found: Labelled, expected: Expected, column: Column, values: Numbers, tried: int) -> Draft | None:
    lag = _lag(column, expected)
    severity, how = (
        _class_severity(found, expected, column, values, tried)
        if found.classes
        else _number_severity(found, expected, values, lag)
    )
    if severity is None:
        return None
    ahead = expected.windows and lag > 0
    check = "future-as-feature" if ahead else "label-as-feature"
    which = f", {lag:,} step{'' if lag == 1 else 's'} before the label's" if ahead else ""
    doubt = "" if severity == ERROR else "; honest signal may, a leak does"
    message = f"{column.what}{which}: alone {how}{doubt}"
    refs = tuple(found.sample.refs[:SHOWN].tolist())
    return Draft(check, severity, TRAIN, column.feature, message, len(values), refs)


def _lag(column: Column, expected: Expected) -> int:
    if not expected.windows:
        return 0
    if column.where == AT_END:
        return expected.horizon + column.step
    if column.where == AT_BEGINNING:
        return expected.horizon + int(expected.window_length or 1) - 1 - column.step
    return expected.horizon


def _class_severity(
    found: Labelled, expected: Expected, column: Column, values: Numbers, tried: int
) -> tuple[str | None, str]:
    lag, is_average = _lag(column, expected), column.what in AVERAGES
    known = np.flatnonzero(~np.isnan(values))  # where it is missing is another check's business
    values, codes, fold = values[known], found.codes[known], found.fold[known]
    if len(known) < _FEWEST:
        return None, ""
    held = judged(cross_fitted(values, codes, fold, found.classes), codes, found.classes)
    how = f"it tells {share(held.count - held.errors, held.count)} held-out labels"
    if not held.baseline or held.p_value * tried > _P_VALUE:
        return None, how
    relative = held.errors / held.baseline
    distinct = len(np.unique(values))
    is_code = distinct <= max(_DISTINCT, 2 * found.classes) and not is_average
    is_copy = is_code or correlation_ratios(values[:, None], codes, found.classes)[0] >= _COPY
    if found.window and lag:
        carried = _carried_errors(found.change_rate, lag / expected.stride) * len(values)
        how += f", with {held.errors:,} errors where a label carried forward would make {carried:,.0f}"
        ahead = carried >= _FEWEST_CARRIED and held.errors <= _CARRIED * carried and relative <= _TOO_GOOD
        return ((ERROR if is_copy else WARNING) if ahead else None), how
    if relative <= _REPRODUCES and is_copy:
        return ERROR, how
    if found.window:
        return None, how  # neighbours repeat each other, so that no bound holds
    if _upper(held.errors) <= _TOO_GOOD * held.baseline:
        return WARNING, how
    return _one_class(found, held, int((codes == held.best).sum()), distinct) if is_code else (None, how)


def _one_class(found: Labelled, held: Held, own: int, distinct: int) -> tuple[str | None, str]:
    """Whether a code tells one class from all others: an error where it is nothing but that class or not."""
    smaller, name = min(own, held.count - own), found.names[held.best]
    if distinct == 2 and held.best_errors <= _REPRODUCES * smaller:
        return ERROR, f"it is class {name!r} or not, with {held.best_errors:,} errors in {held.count:,}"
    if _upper(held.best_errors) <= _TOO_GOOD * smaller:
        return (
            WARNING,
            f"it tells class {name!r} from the rest, with {held.best_errors:,} errors in {held.count:,}",
        )
    return None, ""


def _carried_errors(change_rate: float, windows: float) -> float:
    """Share of windows that a label errs in when it is carried forward by so many windows.

    Where labels change at random, and p of the neighbours differ, those h windows apart do with probability
    (1 - (1 - 2 p)^h) / 2.
    """
    kept: float = (1 - 2 * min(0.45, change_rate)) ** windows
    return (1 - kept) / 2


def _upper(errors: int) -> float:
    """The upper 95 % bound of a number of errors (Poisson, Garwood 1936)."""
    return float(stats.chi2.ppf(0.95, 2 * (errors + 1)) / 2)


def _number_severity(
    found: Labelled, expected: Expected, values: Numbers, lag: int
) -> tuple[str | None, str]:
    known = ~np.isnan(values)
    if known.sum() < max(_FEWEST, len(values) // 10):
        return None, ""
    # How many steps follow is not known before the series ends: no past of it can be carried forward.
    ahead = found.window and lag > 0 and not expected.label_is_rest
    part = explained(values[known], found.labels[known], found.fold[known], by_rank=not ahead)
    how = f"it explains {part:.4%} of the label's variance".replace("%", " %")
    if ahead:
        carried = _carried_unexplained(found, expected, lag)
        # What its own past tells without an error, nothing can be said of.
        copy = carried > 1 - _COPY_R2 and part >= _ALIKE_R2 and 1 - part <= _CARRIED * carried
        return (ERROR if copy else None), how
    if part >= _COPY_R2:
        return ERROR, how
    return (WARNING if part >= _TOO_GOOD_R2 else None), how


def _carried_unexplained(found: Labelled, expected: Expected, lag: int) -> float:
    """Share of the label's variance that a label carried forward by so many steps leaves, but for its trend.

    Where a stride is longer, that of a stride in proportion to the steps, as in a random walk.
    """
    sample, windows = found.sample, -(-lag // expected.stride)
    order = np.lexsort([sample.start, sample.series])
    labels, keys, start = found.labels[order], sample.series[order], sample.start[order]
    if len(labels) <= windows:
        return 0.0
    same = (keys[windows:] == keys[:-windows]) & (
        start[windows:] - start[:-windows] == windows * expected.stride
    )
    variance = found.labels.var()
    if not same.any() or not variance:
        return 0.0
    apart = float((labels[windows:] - labels[:-windows])[same].var() / variance)
    return apart * min(1.0, lag / (windows * expected.stride))


def shortcuts(found: Labelled, expected: Expected, profile: Profile) -> Iterator[Draft]:
    """Findings of length-, missingness- and id-predicts-label."""
    features = {name: found.sample.columns[name] for name in profile.features if name in found.sample.columns}
    steps = step_counts(features, len(found.sample))
    if not expected.windows and np.ptp(steps):
        length = {"the number of steps": steps.astype(np.float64)}
        yield from _shortcut(found, "length-predicts-label", "", length)
    apart = _apart(found, expected)
    for name, missing in missing_shares(features, steps, profile).items():
        tries = {"how much of it is missing": missing[apart]}
        yield from _shortcut(found.take(apart), "missingness-predicts-label", name, tries)
    if expected.own_ids:
        alone = (
            found.take(np.unique(found.sample.series, return_index=True)[1]) if expected.windows else found
        )
        feature = "series_id" if expected.windows else "sequence_id"
        yield from _shortcut(
            alone,
            "id-predicts-label",
            feature,
            dict(_id_parts(alone.sample, feature, regression=expected.regression)),
        )


def _apart(found: Labelled, expected: Expected) -> Ints:
    """Sequences that share no step: all, or of windows those that begin a whole window after another."""
    if not found.window:
        return np.arange(len(found.sample))
    steps = -(-int(expected.window_length or 1) // expected.stride) * expected.stride
    return np.flatnonzero(found.sample.start % steps == 0)


def _shortcut(found: Labelled, check: str, feature: str, tries: Mapping[str, Numbers]) -> Iterator[Draft]:
    """The best of some columns, where it tells what it should not."""
    if len(found.sample) < _FEWEST:
        return
    told = _class_told if found.classes else _number_told
    best = max((told(found, what, values, len(tries)) for what, values in tries.items()), default=None)
    if best is None or best[0] < _SHORTCUT:
        return
    _, exact, message = best
    severity = ERROR if exact and check == "missingness-predicts-label" else WARNING
    refs = tuple(found.sample.refs[:SHOWN].tolist())
    yield Draft(check, severity, TRAIN, feature, message, len(found.sample), refs)


def _class_told(found: Labelled, what: str, values: Numbers, tried: int) -> tuple[float, bool, str]:
    """The skill of one column at the lower end of its interval, whether it hardly ever errs, and words."""
    codes = found.codes
    held = judged(cross_fitted(values, codes, found.fold, found.classes), codes, found.classes)
    if held.p_value * tried > _P_VALUE:
        return 0.0, False, ""
    own = int((codes == held.best).sum())
    exact = held.best_errors <= _REPRODUCES * min(own, len(codes) - own)
    right = share(held.count - held.best_errors, held.count)
    said = f"{what} alone tells class {found.names[held.best]!r} from the rest in {right} held-out sequences"
    return held.skill_low, exact and len(np.unique(values)) <= _DISTINCT, said


def _number_told(found: Labelled, what: str, values: Numbers, tried: int) -> tuple[float, bool, str]:
    """The share of variance that one column explains, less three standard errors."""
    del tried  # three standard errors are enough for a few columns
    known = ~np.isnan(values)
    if known.sum() < 2 * _FEWEST:
        return 0.0, False, ""
    part = explained(values[known], found.labels[known], found.fold[known])
    low = part - 3 * (1 - part) / np.sqrt(known.sum())
    return low, False, f"{what} alone explains {part:.1%} of the label's variance".replace("%", " %")


def _id_parts(sample: Sample, feature: str, *, regression: bool) -> Iterator[tuple[str, Numbers]]:
    """The parts of ids, `train/pos/7_9` has four: each a category where it has few values, else a number."""
    ids = id_texts(sample, feature)
    if ids is None or len(ids) < _FEWEST:
        return
    apart = pc.replace_substring_regex(ids, r"(\p{L})(\p{N})", r"\1 \2")
    apart = pc.replace_substring_regex(apart, r"(\p{N})(\p{L})", r"\1 \2")
    parts = Lists.of(pc.split_pattern_regex(apart, r"[^\p{L}\p{N}]+"))
    for place in range(min(_ID_PARTS, int(parts.lengths.max(initial=0)))):
        there = parts.lengths > place
        texts = parts.values.take(pa.array(parts.offsets[:-1][there] + place)).dictionary_encode()
        codes = texts.indices.to_numpy()
        numbers = pd.to_numeric(pd.Series(texts.dictionary.to_pylist()), errors="coerce").to_numpy(np.float64)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
        values = np.full(len(ids), np.nan)
        if len(numbers) <= 32 and not regression:
            values[there] = codes
            yield f"part {place + 1} of the id", values
        elif not np.isnan(numbers).all():
            values[there] = numbers[codes]
            yield f"the number in part {place + 1} of the id", values


def id_texts(sample: Sample, feature: str = "sequence_id") -> pa.Array | None:
    """The ids of sequences or series as text, [N]."""
    column = sample.columns.get(feature)
    if column is None or not (column.lengths == 1).all():
        return None
    return valid_text(column.values)


def order_that_tells(sample: Sample, expected: Expected) -> Iterator[Draft]:
    """Finding of order-predicts-label: training neighbours in order tell the labels of the evaluation split.

    Each evaluation sequence that lies between training sequences is told the most frequent label of
    the two before and the two behind it. The order is that of the numbers which ingest gives
    sequences without an id, else of their first times.
    """
    column = sample.columns.get(expected.label or "")
    key = None if expected.windows or expected.regression or column is None else _order(sample, expected)
    if key is None or column is None or not (column.lengths == 1).all():
        return
    group, place = key
    codes, names, known = _codes(column.values)
    labels, classes = codes.astype(np.int64), len(names)
    train = np.flatnonzero(~sample.evaluated & known)
    train = train[np.lexsort([place[train], group[train]])]
    asked = np.flatnonzero(sample.evaluated & known)
    if len(train) < _FEWEST or not len(asked):
        return
    rank = np.unique(np.stack([group, place]), axis=1, return_inverse=True)[1].reshape(-1)
    at = np.searchsorted(rank[train], rank[asked])
    inside = (at >= 2) & (at <= len(train) - 2)
    asked, at = asked[inside], at[inside]
    around = train[at[:, None] + np.array([-2, -1, 0, 1])]
    near = (group[around] == group[asked][:, None]).all(axis=1)
    asked, around = asked[near], around[near]
    if len(asked) < _FEWEST:
        return
    votes = np.zeros((len(asked), classes))
    np.add.at(votes, (np.repeat(np.arange(len(asked)), 4), labels[around].reshape(-1)), 1)
    held = judged(votes.argmax(axis=1), labels[asked], classes)
    if held.skill_low >= _SHORTCUT and held.p_value <= _P_VALUE:
        right = share(held.count - held.errors, held.count)
        message = (
            f"the four training sequences around them in order tell {right} labels of the evaluation split"
        )
        refs = tuple(sample.refs[asked[:SHOWN]].tolist())
        yield Draft("order-predicts-label", WARNING, "eval", "", message, len(asked), refs)


def _order(sample: Sample, expected: Expected) -> tuple[Ints, npt.NDArray[Any]] | None:
    """What sequences stand in order in, and their place in it."""
    times = sample.columns.get(TIME)
    if times is not None and len(times.values) and (times.lengths > 0).all():
        first = times.numbers()[times.offsets[:-1]].astype(np.int64)
        return (first * 0, first) if len(np.unique(first)) > len(first) / 2 else None
    ids = None if expected.own_ids else id_texts(sample)
    if ids is None:
        return None
    parts = pc.extract_regex(ids, r"^(?P<name>.*?)(?P<number>\d+)$")
    if parts.null_count:
        return None
    names = parts.field("name").dictionary_encode().indices.to_numpy().astype(np.int64)
    return names, np.array(parts.field("number").to_pylist(), np.float64)

"""Defects that give the answer away: in a feature, an id, the order, the length, what is absent."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.leaks import splits
from benchmarks.leaks.planting import PLANTED, DoesNotApply
from benchmarks.leaks.splits import Splits

Random = np.random.Generator


def codes(data: Splits, table: pa.Table) -> Any:
    """[N] number of each label's class; the label itself in regression."""
    labels = splits.values(table, data.label)
    if data.is_regression:
        return labels.astype(np.float64)
    classes = np.unique(splits.values(data.train, data.label))
    return np.searchsorted(classes, labels)


def label_as_category(data: Splits, flipped: float, random: Random) -> Splits:
    """A feature says the class at every step, wrong for a share of the sequences."""
    if data.is_regression:
        raise DoesNotApply("the label is a number")
    names = np.array([f"kind {code}" for code in range(int(codes(data, data.train).max()) + 1)], object)

    def spread(table: pa.Table) -> Any:
        return np.repeat(names[_flipped(data, table, flipped, random)], _steps(data, table))

    return _with_feature(data, spread)


def label_as_number(data: Splits, noise: float, random: Random) -> Splits:
    """A feature is the class's number (in regression the label, in standard deviations) with noise."""

    def spread(table: pa.Table) -> Any:
        known = np.repeat(_scaled(data, codes(data, table)), _steps(data, table))
        return known + random.normal(scale=noise, size=len(known))

    return _with_feature(data, spread)


def label_at_last_step(data: Splits, flipped: float, random: Random) -> Splits:
    """A feature is the class's number at the last step, and that of any sequence before it."""
    return _at_one_step(data, lambda count: count - 1, flipped, random)


def label_in_the_middle(data: Splits, flipped: float, random: Random) -> Splits:
    """A feature is the class's number at the fourth step, and that of any sequence elsewhere."""
    return _at_one_step(data, lambda count: np.minimum(3, count - 1), flipped, random)


def label_as_mean(data: Splits, noise: float, random: Random) -> Splits:
    """A feature is noise at every step, and its mean over the steps the class's number with little noise."""
    _need_steps(data)

    def spread(table: pa.Table) -> Any:
        counts = _steps(data, table)
        rows = np.repeat(np.arange(len(table)), counts)
        flat = random.normal(scale=3.0, size=len(rows))
        flat -= (np.bincount(rows, flat) / np.maximum(1, counts))[rows]
        wanted = _scaled(data, codes(data, table)) + random.normal(scale=noise, size=len(table))
        return flat + wanted[rows]

    return _with_feature(data, spread)


def future_label(data: Splits, flipped: float, random: Random) -> Splits:
    """A feature of a window is at each step the label that lies `horizon` steps later."""
    window = data.config.data.window
    if window is None or not window.horizon:
        raise DoesNotApply("only windows with a horizon have labels of later steps")
    first, last = splits.values(data.train, "window_start"), window.length - 1
    every = int(np.diff(np.unique(first)).min())
    spans = [_label_spans(data, table, every) for table in (data.train, data.eval)]
    tables = []
    for table, (kept, labels) in zip((data.train, data.eval), spans, strict=True):
        # Labels are known at every `every`th step; between two of them the later one stands.
        back = (last - np.arange(window.length)) // every
        known = labels[kept[:, None] - back]
        wrong = random.random(known.shape) < flipped
        known = np.where(wrong, random.permutation(known.ravel()).reshape(known.shape), known)
        tables.append(
            splits.with_values(
                table.take(pa.array(kept)), PLANTED, known.ravel(), np.full(len(kept), window.length)
            )
        )
    return data.both(*tables)


def telling_ids(data: Splits, share: float, random: Random) -> Splits:
    """For a share of the sequences the id begins with a letter of the class, for others with any."""
    if data.config.data.window or data.is_regression:
        raise DoesNotApply("ids are those of whole sequences with classes")
    if data.config.data.sequence_id is None:
        raise DoesNotApply("the source has no ids")
    tables: list[pa.Table] = []
    for table in (data.train, data.eval):
        letter = _flipped(data, table, 1 - share, random)
        serial = random.permutation(len(table)) + 10_000 * (1 + len(tables))
        ids = [f"{chr(97 + int(code))}{number}" for code, number in zip(letter, serial, strict=True)]
        tables.append(splits.with_values(table, "sequence_id", np.array(ids, object)))
    return data.both(*tables)


def telling_order(data: Splits, share: float, random: Random) -> Splits:
    """A share of all sequences was recorded sorted by label, the others in between, split at random.

    The order stands in the first time of each sequence, or in the row numbers that are its id.
    """
    if data.config.data.window or data.config.split_by == "time":
        raise DoesNotApply("neighbours in time are on one side")
    known = np.concatenate([codes(data, table) for table in (data.train, data.eval)])
    place = random.permutation(len(known))
    chosen = random.permutation(np.flatnonzero(random.random(len(known)) < share))
    by_label = chosen[np.argsort(known[chosen], kind="stable")]
    place[by_label] = np.sort(place[chosen])
    tables = []
    for table, own in zip((data.train, data.eval), np.split(place, [len(data.train)]), strict=True):
        if "step_time" in table.column_names:
            times = splits.values(table, "step_time") + np.repeat(
                100 * own, splits.lengths(table, "step_time")
            )
            tables.append(splits.with_values(table, "step_time", times))
        elif data.config.data.sequence_id is None:
            ids = np.array([f"rows:{number}" for number in own], object)
            tables.append(splits.with_values(table, "sequence_id", ids))
        else:
            raise DoesNotApply("neither times nor ids are in an order")
    return data.both(*tables)


def telling_length(data: Splits, share: float, random: Random) -> Splits:
    """A share of the sequences of one class, in regression of large labels, loses its first 30 % of steps."""
    _need_steps(data)
    if data.config.data.window:
        raise DoesNotApply("windows have one length")
    names, tables = splits.step_columns(data), []
    for table in (data.train, data.eval):
        cut = (codes(data, table) == 0) & (random.random(len(table)) < share)
        counts = _steps(data, table)
        place = np.arange(counts.sum()) - np.repeat(splits.starts(table, names[0])[:-1], counts)
        first = np.where(cut, np.ceil(0.3 * counts), 0)
        tables.append(splits.keep_steps(table, names, place >= np.repeat(first, counts)))
    return data.both(*tables)


def telling_absence(data: Splits, rates: tuple[float, float], random: Random) -> Splits:
    """A new feature of noise is absent from sequences of one class more often than from others."""
    tables = []
    for table in (data.train, data.eval):
        counts = _steps(data, table)
        noisy = splits.with_values(table, PLANTED, random.normal(size=int(counts.sum())), counts)
        gone = random.random(len(table)) < np.where(_first_group(data, table), *rates)
        tables.append(splits.without(noisy, PLANTED, gone))
    return data.both(*tables)


def telling_nan(data: Splits, rates: tuple[float, float], random: Random) -> Splits:
    """A new feature of noise has steps that are NaN, in sequences of one class more than in others."""
    tables = []
    for table in (data.train, data.eval):
        counts = _steps(data, table)
        rate = np.repeat(np.where(_first_group(data, table), *rates), counts)
        noise = random.normal(size=int(counts.sum()))
        noise[random.random(len(noise)) < rate] = np.nan
        tables.append(splits.with_values(table, PLANTED, noise, counts))
    return data.both(*tables)


def _first_group(data: Splits, table: pa.Table) -> Any:
    known = codes(data, table)
    return known < np.median(codes(data, data.train)) if data.is_regression else known == 0


def _steps(data: Splits, table: pa.Table) -> Any:
    return splits.lengths(table, data.features[0])


def _scaled(data: Splits, known: Any) -> Any:
    """Labels of a regression in standard deviations; class numbers as they are."""
    return known / np.std(codes(data, data.train)) if data.is_regression else known.astype(np.float64)


def _flipped(data: Splits, table: pa.Table, share: float, random: Random) -> Any:
    """Labels, for a share of the rows that of any other row."""
    known = codes(data, table)
    wrong = random.random(len(known)) < share
    return np.where(wrong, random.permutation(known), known)


def _at_one_step(data: Splits, where: Callable[[Any], Any], flipped: float, random: Random) -> Splits:
    _need_steps(data)

    def spread(table: pa.Table) -> Any:
        counts = _steps(data, table)
        flat = random.choice(_scaled(data, codes(data, table)), int(counts.sum()))
        begin = splits.starts(table, data.features[0])[:-1]
        flat[begin + where(counts)] = _scaled(data, _flipped(data, table, flipped, random))
        return flat

    return _with_feature(data, spread)


def _with_feature(data: Splits, spread: Callable[[pa.Table], Any]) -> Splits:
    tables = (data.train, data.eval)
    return data.both(
        *(splits.with_values(table, PLANTED, spread(table), _steps(data, table)) for table in tables)
    )


def _need_steps(data: Splits) -> None:
    if int(splits.values(data.train, "sequence_length").max()) < 2:
        raise DoesNotApply("every sequence is one step, a text")


def _label_spans(data: Splits, table: pa.Table, every: int) -> tuple[Any, Any]:
    """Rows with all earlier windows of a window's length before them, and all labels in order of place."""
    window = data.config.data.window
    assert window is not None
    earlier = (window.length - 1) // every
    ids, begin = splits.values(table, "series_id"), splits.values(table, "window_start")
    rows = np.arange(len(table))
    complete = rows >= earlier
    before = np.maximum(0, rows - earlier)
    complete &= (ids[before] == ids) & (begin - begin[before] == earlier * every)
    return np.flatnonzero(complete), _scaled(data, codes(data, table))

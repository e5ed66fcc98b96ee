"""Defects of time: overlaps, order of the splits, labels from before the last step."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.leaks import splits
from benchmarks.leaks.planting import DoesNotApply, some_rows
from benchmarks.leaks.splits import Splits

Random = np.random.Generator


def overlap(data: Splits, share: float, random: Random) -> Splits:
    """One window trains whose last steps are the first of one that judges: one step, or a share of them."""
    length = _window_length(data)
    shared_steps = min(length - 1, max(1, round(share * length)))
    return _window_before(data, length - shared_steps, random)


def short_gap(data: Splits, gap_steps: int, random: Random) -> Splits:
    """One window trains whose label lies inside a window that judges; they share no step."""
    window = data.config.data.window
    if window is None or data.config.split_by != "time":
        raise DoesNotApply("only windows split by time have a gap")
    if gap_steps >= window.horizon:
        raise DoesNotApply("the horizon is shorter")
    return _window_before(data, window.length + gap_steps, random)


def series_on_both_sides(data: Splits, count: int, random: Random) -> Splits:
    """The first half of some series trains, the second judges; no step is on both sides."""
    if not data.config.data.window or data.config.split_by != "sequence":
        raise DoesNotApply("only windows of many series, split by series")
    length = _window_length(data)
    ids, begin = splits.values(data.eval, "series_id"), splits.values(data.eval, "window_start")
    moved, dropped = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
    for series in random.choice(np.unique(ids), count, replace=False):
        middle = int(np.median(begin[ids == series]))
        moved |= (ids == series) & (begin + length <= middle)
        dropped |= (ids == series) & (begin < middle)
    return _moved(data, moved, ~dropped)


def not_chronological(data: Splits, share: float, random: Random) -> Splits:
    """The last sequences of the evaluation split train instead; no step is on both sides."""
    if data.config.split_by != "time":
        raise DoesNotApply("the split is not by time")
    del random
    first = splits.values(data.eval, "step_time")[splits.starts(data.eval, "step_time")[:-1]]
    order = np.argsort(first, kind="stable")
    count = max(1, round(share * len(order)))
    window = data.config.data.window
    per_row = int(np.median(np.diff(splits.values(data.eval, "window_start")))) if window else 1
    between = 2 * -(-(window.length + window.horizon) // per_row) if window else 1
    moved, dropped = np.zeros(len(order), bool), np.zeros(len(order), bool)
    moved[order[-count:]] = True
    dropped[order[-count - between :]] = True
    return _moved(data, moved, ~dropped)


def swapped_times(data: Splits, share: float, random: Random) -> Splits:
    """Two neighbouring steps of some training sequences have each other's time."""
    places = _neighbours(data, share, random)
    times = splits.values(data.train, "step_time")
    times[places], times[places + 1] = times[places + 1], times[places]
    return data.both(splits.with_values(data.train, "step_time", times), data.eval)


def repeated_times(data: Splits, share: float, random: Random) -> Splits:
    """Two neighbouring steps of some training sequences have the same time."""
    places = _neighbours(data, share, random)
    times = splits.values(data.train, "step_time")
    times[places + 1] = times[places]
    return data.both(splits.with_values(data.train, "step_time", times), data.eval)


def early_label(data: Splits, share: float, random: Random) -> Splits:
    """`label_time` is the last step's, and for some training sequences the middle step's."""
    _need_times(data)
    tables: list[pa.Table] = []
    for table in (data.train, data.eval):
        begin, times = splits.starts(table, "step_time"), splits.values(table, "step_time")
        last = times[begin[1:] - 1].copy()
        if not tables:
            rows = some_rows(len(table), share, random)
            last[rows] = times[((begin[:-1] + begin[1:]) // 2)[rows]]
        tables.append(splits.with_values(table, "label_time", last))
    settings = data.config.data.model_copy(update={"label_time": "label_time"})
    return replace(data.both(*tables), config=data.config.model_copy(update={"data": settings}))


def _need_times(data: Splits) -> None:
    if "step_time" not in data.train.column_names:
        raise DoesNotApply("the steps have no time")


def _neighbours(data: Splits, share: float, random: Random) -> Any:
    """In each of some training sequences a step that is not the last, as a place in all steps."""
    _need_times(data)
    rows = some_rows(len(data.train), share, random)
    begin, count = splits.starts(data.train, "step_time")[:-1], splits.lengths(data.train, "step_time")
    return begin[rows] + random.integers(count[rows] - 1)


def _window_length(data: Splits) -> int:
    if data.config.data.window is None or data.rest is None:
        raise DoesNotApply("the examples are no windows")
    return int(data.config.data.window.length)


def _window_before(data: Splits, distance: int, random: Random) -> Splits:
    """Moves one window of a series to training and keeps those that begin `distance` steps later, or more.

    Of the same series nothing else judges that begins earlier, and one window begins exactly there.
    """
    assert data.rest is not None
    rest, place = data.rest, splits.values(data.rest, "window_start")
    ids, kept_ids = splits.values(rest, "series_id"), splits.values(data.eval, "series_id")
    order = random.permutation(np.unique(ids))
    for series in order:
        first = int(place[ids == series].min())
        moved = (ids == series) & (place == first)
        next_one = (ids == series) & (place == first + distance)
        if next_one.any():
            break
    else:
        raise DoesNotApply("no series is long enough")
    later = (kept_ids != series) | (splits.values(data.eval, "window_start") > first + distance)
    train = pa.concat_tables([data.train, rest.filter(pa.array(moved))]).combine_chunks()
    kept = [rest.filter(pa.array(next_one)), data.eval.filter(pa.array(later))]
    return data.both(train, pa.concat_tables(kept).combine_chunks())


def _moved(data: Splits, moved: splits.Mask, keep: splits.Mask) -> Splits:
    if not moved.any() or not keep.any():
        raise DoesNotApply("the evaluation split is too small")
    train = pa.concat_tables([data.train, data.eval.filter(pa.array(moved))]).combine_chunks()
    return data.both(train, data.eval.filter(pa.array(keep & ~moved)).combine_chunks())

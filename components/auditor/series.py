"""Looks at the windows or sequences of one series or id: which side they are on, and when. Measures only."""

import numpy as np

from components.auditor.expected import Expected
from components.auditor.lists import Ints, Mask
from components.auditor.tables import NO_TIME, Table
from components.auditor.tally import Tally

BOTH, OVERLAP, LATER_TRAINING, GAP, DELAY = "both", "overlap", "later training", "gap", "label delay"
LABEL_CHANGES, NEIGHBOURS = "label changes", "neighbours"
TRAIN_SERIES, CHANGING_SERIES = "series of training", "series whose label changes"
HOLDS_LABEL = "holds a label's step"
SERIES, SERIES_IN_BOTH = "series", "series in both"


def look(table: Table, expected: Expected) -> Tally:
    """Compares the two sides of each series.

    Args:
      table: `series` of whole series, in the order of the records.
      expected: what the configuration says.

    Returns:
      Counts of sequences of the evaluation split: `both` whose id or series training has too;
      `overlap`: windows that share a moment with a training window; `later training`: that begin
      before a training window of their series ends. As ranges, over all series: `gap`: the least steps
      left out between a training window's label and an evaluation window behind it; `label delay`: the
      least time from the last training label's being known to the first evaluation step.
    """
    tally = Tally()
    series = np.unique(table["key"], return_inverse=True)[1].reshape(-1)
    evaluated, refs = table["evaluated"], table["ref"]
    if expected.windows:
        _label_changes(table, series, tally)
    count = int(series.max(initial=-1)) + 1
    both = (np.bincount(series, ~evaluated, count) > 0) & (np.bincount(series, evaluated, count) > 0)
    tally.note(BOTH, "eval", "", both[series] & evaluated, refs)
    tally.add(SERIES_IN_BOTH, "eval", "", int(both.sum()))
    tally.add(SERIES, "", "", count)
    if not both.any():
        return tally
    chosen = both[series]
    table, series = {name: values[chosen] for name, values in table.items()}, series[chosen]
    if expected.windows:
        _sides(table, series, expected, tally)
    return tally


def _sides(table: Table, series: Ints, expected: Expected, tally: Tally) -> None:
    evaluated, refs = table["evaluated"], table["ref"]
    # Windows of files that were given apart are counted from the beginning of each file.
    placed = expected.split_by != "given" and bool((table["start"] > 0).any())
    overlap = np.zeros(len(refs), bool)
    later = np.zeros(len(refs), bool)
    if placed:
        overlap |= _overlapping(series, table["start"], table["start"] + table["length"] - 1, evaluated)
        later |= _before_last(series, table["start"], table["start"] + table["length"] - 1, evaluated)
        _gap(table, series, expected, tally)
    timed = np.flatnonzero(table["first"] != NO_TIME)
    if len(timed):
        span = series[timed], table["first"][timed], table["last"][timed], evaluated[timed]
        overlap[timed] |= _overlapping(*span)
        later[timed] |= _before_last(*span)
    tally.note(OVERLAP, "eval", "", overlap, refs)
    tally.note(LATER_TRAINING, "eval", "", later & ~overlap, refs)


def _overlapping(series: Ints, first: Ints, last: Ints, evaluated: Mask) -> Mask:
    """Evaluation windows that share a moment with a training window of their series.

    In the order of their beginnings, a window meets an earlier one if the latest end so far reaches
    it; the same backwards for later ones.
    """
    return _reached(series, first, last, evaluated) | _reached(series, -last, -first, evaluated)


def _reached(series: Ints, first: Ints, last: Ints, evaluated: Mask) -> Mask:
    """Evaluation windows that begin no later than the latest end of training windows begun before."""
    order = np.lexsort([evaluated, first, series])
    end = np.where(evaluated[order], np.iinfo(np.int64).min, last[order])
    latest = _running_most(series[order], end)
    found = np.zeros(len(series), bool)
    found[order] = evaluated[order] & (latest >= first[order])
    return found


def _running_most(series: Ints, values: Ints) -> Ints:
    """The largest value so far within each series; rows are ordered by series."""
    ranks = np.unique(values, return_inverse=True)
    lifted = series * np.int64(len(ranks[0])) + ranks[1].reshape(-1)
    running = np.maximum.accumulate(lifted)
    found: Ints = ranks[0][running - series * np.int64(len(ranks[0]))]
    return found


def _before_last(series: Ints, first: Ints, last: Ints, evaluated: Mask) -> Mask:
    """Evaluation windows that begin before the last training window of their series ends."""
    end = np.full(int(series.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(end, series[~evaluated], last[~evaluated])
    return evaluated & (first <= end[series])


def _gap(table: Table, series: Ints, expected: Expected, tally: Tally) -> None:
    """Steps from the label of the last training window to the first evaluation window, where they follow."""
    evaluated, count = table["evaluated"], int(series.max()) + 1
    label = table["start"] + table["length"] - 1 + expected.horizon
    end, begin = np.full(count, np.iinfo(np.int64).min), np.full(count, np.iinfo(np.int64).max)
    np.maximum.at(end, series[~evaluated], label[~evaluated])
    np.minimum.at(begin, series[evaluated], table["start"][evaluated])
    usable = (end > np.iinfo(np.int64).min) & (begin < np.iinfo(np.int64).max)
    if usable.any():
        gaps = (begin - end - 1)[usable]
        tally.bound(GAP, "eval", "", float(gaps.min()), float(gaps.max()))
        short = np.zeros(count, bool)
        short[usable] = gaps < expected.horizon
        behind = table["start"] - 1 - np.where(usable, end, 0)[series]
        tally.note(GAP, "eval", "", evaluated & short[series] & (behind < expected.horizon), table["ref"])
        tally.note(HOLDS_LABEL, "eval", "", evaluated & short[series] & (behind < 0), table["ref"])


def _label_changes(table: Table, series: Ints, tally: Tally) -> None:
    """How often the label changes from one training window to the next of its series."""
    rows = np.flatnonzero(~table["evaluated"])
    order = rows[np.lexsort([table["start"][rows], table["first"][rows], series[rows]])]
    same_series = series[order][1:] == series[order][:-1]
    changed = same_series & (table["label"][order][1:] != table["label"][order][:-1])
    tally.add(LABEL_CHANGES, "train", "", int(changed.sum()))
    tally.add(NEIGHBOURS, "train", "", int(same_series.sum()))
    tally.add(TRAIN_SERIES, "train", "", len(np.unique(series[rows])))
    tally.add(CHANGING_SERIES, "train", "", len(np.unique(series[order][1:][changed])))


def chronology(table: Table, train_end: float, eval_begin: float) -> Tally:
    """Counts, over all series, evaluation sequences that begin before training ends.

    Args:
      table: `series`, any part of it.
      train_end: the last moment of the training split, with the moments its labels were known.
      eval_begin: the first moment of the evaluation split.
    """
    tally = Tally()
    evaluated = table["evaluated"] & (table["first"] != NO_TIME)
    tally.note(LATER_TRAINING, "eval", "any", evaluated & (table["first"] <= train_end), table["ref"])
    known_late = ~table["evaluated"] & (table["label_time"] != NO_TIME) & (table["label_time"] > eval_begin)
    tally.note(DELAY, "train", "", known_late, table["ref"])
    return tally

"""From counts to findings about what lies on both sides of the split: duplicates, series and times."""

from collections.abc import Iterator

from components.auditor import duplicates, series, shape
from components.auditor.checks import ERROR, WARNING
from components.auditor.expected import Expected
from components.auditor.findings import Draft, share
from components.auditor.tables import EVAL, TRAIN
from components.auditor.tally import Tally


def split_findings(tally: Tally, expected: Expected) -> Iterator[Draft]:
    """Findings about the two splits.

    Args:
      tally: counts of all records and of all tables.
      expected: what the configuration says.
    """
    yield from _duplicates(tally)
    if expected.windows:
        yield from _windows(tally, expected)
    elif found := tally.seen.get((series.BOTH, EVAL, "")):
        count = tally.sum(shape.SEQUENCES, EVAL)
        message = f"{share(found.count, count)} sequences have an id that training has, too"
        yield Draft("sequence-in-both-splits", ERROR, EVAL, "", message, found.count, found.refs)
    yield from _times(tally, expected)


def _duplicates(tally: Tally) -> Iterator[Draft]:
    sizes = {split: tally.sum(shape.SEQUENCES, split) for split in (TRAIN, EVAL)}
    if found := tally.seen.get((duplicates.ACROSS, EVAL, "")):
        part = share(found.count, sizes[EVAL])
        message = f"{part} sequences equal a training sequence in every feature and step"
        yield Draft("duplicate-across-splits", ERROR, EVAL, "", message, found.count, found.refs)
    if found := tally.seen.get((duplicates.ACROSS_BY_CHANCE, EVAL, "")):
        message = (
            f"{share(found.count, sizes[EVAL])} sequences equal a training sequence, but one that is common, "
            "or holds so little that unrelated ones may"
        )
        yield Draft("duplicate-across-splits", WARNING, EVAL, "", message, found.count, found.refs)
    if found := tally.seen.get((duplicates.NEAR_ACROSS, EVAL, "")):
        message = f"{share(found.count, sizes[EVAL])} sequences are nearly the same as a training sequence"
        yield Draft("near-duplicate", WARNING, EVAL, "", message, found.count, found.refs)
    for split, size in sizes.items():
        if found := tally.seen.get((duplicates.WITHIN, split, "")):
            message = f"{share(found.count, size)} sequences repeat an earlier one of the split"
            yield Draft("duplicate-within-split", WARNING, split, "", message, found.count, found.refs)
        if found := tally.seen.get((duplicates.CONFLICTING, split, "")):
            message = f"{share(found.count, size)} sequences have the same content as one with another label"
            yield Draft("conflicting-labels", WARNING, split, "", message, found.count, found.refs)


def _windows(tally: Tally, expected: Expected) -> Iterator[Draft]:
    count = tally.sum(shape.SEQUENCES, EVAL)
    if found := tally.seen.get((series.OVERLAP, EVAL, "")):
        message = f"{share(found.count, count)} windows share a moment of their series with a training window"
        yield Draft("window-overlap", ERROR, EVAL, "", message, found.count, found.refs)
    both = tally.seen.get((series.BOTH, EVAL, ""))
    if both and tally.sum(series.SERIES, "") > 1:
        yield from _series_in_both(tally, expected, count)
    if tally.count(series.OVERLAP, EVAL) or tally.count(series.LATER_TRAINING, EVAL):
        return  # what would be said of the gap is said already, and more clearly
    if found := tally.seen.get((series.HOLDS_LABEL, EVAL, "")):
        message = f"{share(found.count, count)} windows hold the step of a training window's label"
        yield Draft("gap-too-small", ERROR, EVAL, "", message, found.count, found.refs)
    elif found := tally.seen.get((series.GAP, EVAL, "")):
        steps = int(tally.least[series.GAP, EVAL, ""])
        message = (
            f"{steps:,} steps lie between the last training label and the first window; "
            f"the horizon is {expected.horizon:,}"
        )
        yield Draft("gap-too-small", WARNING, EVAL, "", message, found.count, found.refs)


def _series_in_both(tally: Tally, expected: Expected, count: int) -> Iterator[Draft]:
    found = tally.seen[series.BOTH, EVAL, ""]
    number = tally.sum(series.SERIES_IN_BOTH, EVAL)
    message = (
        f"{share(found.count, count)} windows are of {number:,} series that training has windows of, too"
    )
    proven = expected.split_by == "sequence" or expected.label_is_rest
    if expected.label_is_rest:
        message += "; a label that counts the steps to the end of the series is thereby known"
    elif not proven:
        message += "; the evaluation tells nothing about series that training has not seen"
    severity = ERROR if proven else WARNING
    yield Draft("sequence-in-both-splits", severity, EVAL, "", message, found.count, found.refs)


def _times(tally: Tally, expected: Expected) -> Iterator[Draft]:
    count = tally.sum(shape.SEQUENCES, EVAL)
    same_series = tally.seen.get((series.LATER_TRAINING, EVAL, "")) if expected.windows else None
    anywhere = tally.seen.get((series.LATER_TRAINING, EVAL, "any"))
    if same_series:
        windows = share(same_series.count, count)
        message = f"{windows} windows begin before the last training window of their series ends"
        yield Draft("split-not-chronological", ERROR, EVAL, "", message, same_series.count, same_series.refs)
    elif anywhere and expected.split_by == "time" and not tally.count(series.OVERLAP, EVAL):
        message = f"{share(anywhere.count, count)} sequences begin before training ends, in a split by time"
        yield Draft("split-not-chronological", ERROR, EVAL, "", message, anywhere.count, anywhere.refs)
    elif anywhere and absolute(tally) and not expected.windows:
        message = (
            f"{share(anywhere.count, count)} sequences begin before training ends: it has seen their future"
        )
        yield Draft("split-not-chronological", WARNING, EVAL, "", message, anywhere.count, anywhere.refs)
    late = tally.seen.get((series.DELAY, TRAIN, ""))
    one_clock = expected.split_by == "time" or (expected.split_by == "order" and absolute(tally))
    if late and one_clock:
        message = f"{late.count:,} training labels were known only after the evaluation split begins"
        yield Draft("gap-too-small", ERROR, TRAIN, "", message, late.count, late.refs)
    for split in (TRAIN, EVAL):
        if found := tally.seen.get((shape.AFTER_LABEL, split, "")):
            part = share(found.count, tally.sum(shape.SEQUENCES, split))
            message = f"{part} sequences have steps later than the moment their label was known"
            yield Draft("feature-after-label", ERROR, split, "", message, found.count, found.refs)


def absolute(tally: Tally) -> bool:
    """Whether times are moments of one clock, not counted from the beginning of each sequence.

    They are where the first times of the sequences spread over most of the range of all times.
    """
    keys = [key for key in ((shape.TIMES, split, "") for split in (TRAIN, EVAL)) if key in tally.least]
    if len(keys) < 2:
        return False
    firsts = [(shape.FIRST_TIMES, split, feature) for _, split, feature in keys]
    spread = max(tally.most[key] for key in firsts) - min(tally.least[key] for key in firsts)
    whole = max(tally.most[key] for key in keys) - min(tally.least[key] for key in keys)
    return spread > whole / 2

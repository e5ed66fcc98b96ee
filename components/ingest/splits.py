"""Which examples train the model and which judge it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.layout import Layout
from components.ingest.sequences import Examples, Sequences, is_eval, whole, windows
from components.ingest.steps import KEY, POSITION, TIME
from pipeline.config import Split
from pipeline.errors import DataRefused

DEFAULT_EVAL_FRACTION = 0.2
ACROSS, IN_GAP, TOO_SHORT = "reach across the cutoff", "begin in the gap", "series shorter than a window"

Mask = npt.NDArray[np.bool_]
Moments = tuple[npt.NDArray[Any], npt.NDArray[np.uint64]]  # see moments_of


@dataclass(frozen=True)
class Assignment:
    """Who is in which split.

    Attributes:
      train: [N] true for what trains.
      eval: [N] true for what judges; the rest is left out.
      left_out: how many, by reason.
    """

    train: Mask
    eval: Mask
    left_out: Mapping[str, int]


def candidates(sequences: Sequences, layout: Layout) -> tuple[Examples, dict[str, int]]:
    """What may become an example: whole sequences, or windows; and how many series are too short."""
    window = layout.data.window
    if window is None:
        return whole(sequences), {}
    horizon = window.horizon if layout.has_label else 0
    short = int(np.count_nonzero(sequences.lengths < window.length + horizon))
    found = windows(sequences, window.length, window.stride, horizon)
    return found, {TOO_SHORT: short} if short else {}


def assign(examples: Examples, sequences: Sequences, layout: Layout, cutoff: Any) -> Assignment:
    """Assigns whole sequences or windows to the splits.

    - `sequence`: a hash of the sequence's id decides (of the content where rows have no id), so that
      it keeps its side as the data set grows.
    - `given`: the file decides.
    - `time`: train ends before the cutoff, eval begins at it, or after the gap.
    - `order`: whole sequences by their first row; windows by their place in each series.

    What needs a step on both sides of a cutoff, or begins in the gap behind it, is left out.

    Args:
      examples: N whole sequences or windows.
      sequences: what they are of.
      layout: the configuration.
      cutoff: the moment (`time`) or position (`order`, whole sequences) at which eval begins.
    """
    by, split = layout.config.split_by, layout.config.split
    if not len(examples):
        return Assignment(np.zeros(0, bool), np.zeros(0, bool), {})
    if by == "given":
        inside = is_eval(sequences.integers(POSITION)[examples.start], layout)
    elif by == "sequence":
        keys = np.asarray(sequences.array(KEY)[examples.start], np.uint64)
        inside = keys < np.uint64(eval_fraction(split) * 2**64)
    elif by == "time":
        return _by_time(examples, sequences, layout, cutoff)
    elif layout.data.window is not None:
        return _by_place(examples, sequences, split)
    else:
        first = np.minimum.reduceat(sequences.integers(POSITION), sequences.starts[:-1])
        inside = first[examples.sequence] >= cutoff
    return Assignment(~inside, inside, {})


def eval_fraction(split: Split) -> float:
    """The configured share of the evaluation split, with its default."""
    return split.eval_fraction or DEFAULT_EVAL_FRACTION


def _by_time(examples: Examples, sequences: Sequences, layout: Layout, cutoff: Any) -> Assignment:
    times, split = sequences.array(TIME), layout.config.split
    train = np.asarray(times[examples.label] < cutoff)
    after = np.asarray(times[examples.start] >= cutoff)
    if split.gap_steps:
        before = np.add.reduceat((times < cutoff).astype(np.int64), sequences.starts[:-1])
        first_eval = sequences.starts[:-1] + before + split.gap_steps
        return _assignment(train, after, after & (examples.start >= first_eval[examples.sequence]))
    return _assignment(train, after, after & (times[examples.start] >= cutoff + gap_length(layout)))


def _by_place(examples: Examples, sequences: Sequences, split: Split) -> Assignment:
    lengths = sequences.lengths
    first_eval = sequences.starts[1:] - np.rint(lengths * eval_fraction(split)).astype(np.int64)
    of = first_eval[examples.sequence]
    after = examples.start >= of
    return _assignment(examples.label < of, after, examples.start >= of + split.gap_steps)


def _assignment(train: Mask, after: Mask, inside: Mask) -> Assignment:
    across = int(np.count_nonzero(~train & ~after))
    in_gap = int(np.count_nonzero(after & ~inside))
    return Assignment(train, inside, {why: n for why, n in ((ACROSS, across), (IN_GAP, in_gap)) if n})


def gap_length(layout: Layout) -> int:
    """The gap in units of the time column, where it is a duration."""
    nanoseconds = layout.time is not None and pa.types.is_timestamp(layout.time) and layout.time.unit == "ns"
    return layout.config.split.gap_us * (1000 if nanoseconds else 1)


def needs_moments(layout: Layout) -> bool:
    """Whether the cutoff depends on all of the data."""
    by, split = layout.config.split_by, layout.config.split
    return (by == "time" and split.cutoff is None) or (by == "order" and layout.data.window is None)


def moments_of(steps: pa.RecordBatch, layout: Layout) -> Moments:
    """What the cutoff is found among, for a part of the steps.

    Returns:
      For windows the times of the steps, each once, and how often each occurs. For whole sequences
      the first time, or position, of each sequence, and what tells it from others.
    """
    table = pa.table(dict(zip(steps.schema.names, steps.columns, strict=True)))
    moments = table.column(TIME if layout.config.split_by == "time" else POSITION).to_numpy()
    if layout.data.window is not None:
        values, counts = np.unique(moments, return_counts=True)
        return values, counts.astype(np.uint64)
    # The hash of the id; rows without an id are a sequence each, told apart by their position.
    identity = KEY if layout.data.sequence_id else POSITION
    return _first_of_each(moments, table.column(identity).to_numpy().astype(np.uint64))


def _first_of_each(moments: npt.NDArray[Any], identities: npt.NDArray[np.uint64]) -> Moments:
    order = np.lexsort([moments, identities])
    moments, identities = moments[order], identities[order]
    first = np.append(True, identities[1:] != identities[:-1])[: len(order)]
    return moments[first], identities[first]


def cutoff_of(parts: Iterable[Moments], layout: Layout) -> Any:
    """The moment from which on the configured share lies, at least one; None where there is nothing.

    Equal moments are on one side: the share is larger by those that equal the cutoff.

    Args:
      parts: what `moments_of` gave for all parts of the steps.
      layout: the configuration.
    """
    parts = list(parts)
    values, others = (np.concatenate([part[side] for part in parts] or [np.zeros(0)]) for side in (0, 1))
    if not len(values):
        return None
    if layout.data.window is None:
        values, others = _first_of_each(values, others)
        others = np.ones(len(values), np.uint64)
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(others[order].astype(np.int64))
    in_train = upto[-1] - max(1, round(float(upto[-1]) * eval_fraction(layout.config.split)))
    return values[order][np.searchsorted(upto, in_train, side="right")].item()


def configured_cutoff(layout: Layout) -> Any:
    """split.cutoff in units of the time column.

    Raises:
      DataRefused: the cutoff is no moment of the kind the time column has.
    """
    cutoff, kind = layout.config.split.cutoff, layout.time
    if cutoff is None or kind is None:
        return None
    if pa.types.is_timestamp(kind) and isinstance(cutoff, str):
        for zone in dict.fromkeys((kind.tz, None)):  # without a zone it is meant in UTC
            try:
                return pc.cast(pa.scalar(cutoff), pa.timestamp(kind.unit, zone)).value
            except pa.ArrowInvalid:
                continue
    if not pa.types.is_timestamp(kind) and not isinstance(cutoff, str):
        return cutoff
    expected = "a number"
    if pa.types.is_timestamp(kind):
        expected = "an ISO 8601 timestamp" + ("" if kind.tz else " without a time zone")
    raise DataRefused("split.cutoff does not fit data.time", [f"expected {expected}, got {cutoff!r}"])


def moment_text(moment: Any, kind: pa.DataType | None) -> str | float | None:
    """A moment as people write it: ISO 8601 for timestamps, the number itself otherwise."""
    if moment is None:
        return None
    if kind is not None and pa.types.is_timestamp(kind):
        text = str(np.datetime64(int(moment), kind.unit))
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text + ("Z" if kind.tz else "")
    return int(moment) if moment == int(moment) else float(moment)

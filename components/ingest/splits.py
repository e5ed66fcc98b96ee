"""Which sequences train the model and which judge it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.sequences import Sequences
from pipeline.config import Split
from pipeline.errors import DataRefused

DEFAULT_EVAL_FRACTION = 0.2


@dataclass(frozen=True)
class Assignment:
    """Positions of the sequences in each split, and how many are in none and why."""

    train: npt.NDArray[np.int64]
    eval: npt.NDArray[np.int64]
    rule: str
    cutoff: str | float | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


def assign(sequences: Sequences, split: Split, by: str) -> Assignment:
    """Splits sequences by order, by a hash of their id, or by time.

    Args:
      sequences: N sequences.
      split: fraction or cutoff.
      by: `order` (the first train, the last judge), `sequence` (a hash of the id decides, so that a
        sequence keeps its side as the data set grows) or `time` (train ends before the cutoff, eval
        begins at it; a sequence that reaches across is left out).

    Raises:
      DataRefused: one of the splits would be empty.
    """
    fraction = split.eval_fraction or DEFAULT_EVAL_FRACTION
    if by == "order":
        assignment = _by_order(len(sequences), fraction)
    elif by == "sequence":
        assignment = _by_hash(sequences.ids, fraction)
    else:
        assignment = _by_time(sequences, fraction, split.cutoff)
    left_out = sum(assignment.left_out.values())
    for name, positions in (("train", assignment.train), ("eval", assignment.eval)):
        if not len(positions):
            found = f"{len(sequences)} sequences split by {by}, {left_out} left out"
            raise DataRefused(
                f"the {name} split would be empty", [f"{found}; change split.eval_fraction or split.cutoff"]
            )
    return assignment


def _by_order(total: int, fraction: float) -> Assignment:
    first_eval = total - round(total * fraction)
    return Assignment(np.arange(first_eval), np.arange(first_eval, total), rule="order")


def _by_hash(ids: pa.Array, fraction: float) -> Assignment:
    # SipHash-2-4 under a fixed key: the same in every process and on every machine.
    hashes = pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)
    in_eval = hashes < np.uint64(fraction * 2**64)
    return Assignment(np.flatnonzero(~in_eval), np.flatnonzero(in_eval), rule="sequence")


def _by_time(sequences: Sequences, fraction: float, cutoff: str | float | None) -> Assignment:
    first, last = sequences.first_time, sequences.last_time
    assert first is not None and last is not None  # the configuration requires data.time
    if cutoff is None:
        moment = np.sort(first)[len(first) - max(1, round(len(first) * fraction))]
    else:
        moment = _moment(cutoff, sequences.time_kind)
    train, held_out = last < moment, first >= moment
    across = int(np.count_nonzero(~train & ~held_out))
    return Assignment(
        np.flatnonzero(train),
        np.flatnonzero(held_out),
        rule="time",
        cutoff=moment_text(moment),
        left_out={"reaches across the cutoff": across} if across else {},
    )


def _moment(cutoff: str | float, kind: pa.DataType | None) -> Any:
    """The configured cutoff as a NumPy scalar of the time column's kind."""
    if pa.types.is_timestamp(kind) and isinstance(cutoff, str):
        for parsed in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                return np.datetime64(pc.cast(pa.scalar(cutoff), parsed).value, "us")
            except pa.ArrowInvalid:
                continue
    if not pa.types.is_timestamp(kind) and not isinstance(cutoff, str):
        return np.float64(cutoff)
    expected = "an ISO 8601 timestamp" if pa.types.is_timestamp(kind) else "a number"
    raise DataRefused("split.cutoff does not fit data.time", [f"expected {expected}, got {cutoff!r}"])


def moment_text(moment: Any) -> str | float:
    """A NumPy time as people write it: ISO 8601 for timestamps, the number itself otherwise."""
    if isinstance(moment, np.datetime64):
        text = str(moment.astype("datetime64[us]"))
        return text.rstrip("0").rstrip(".") if "." in text else text
    number: int | float = moment.item()
    return int(number) if number == int(number) else number

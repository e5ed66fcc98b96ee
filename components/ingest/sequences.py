"""Groups steps into sequences, and cuts windows from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.layout import Layout
from components.ingest.piece import whole_column
from components.ingest.problems import Report, file_of
from components.ingest.steps import ID, LABEL, POSITION, TIME

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """Sequences, or series to cut windows from, step after step.

    Attributes:
      steps: the steps, by sequence (in the order of the ids), then by time, then by position.
      starts: [sequences + 1] the place of each sequence's first step; last, the number of steps.
    """

    steps: pa.Table
    starts: Places

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Places:
        """Steps of each sequence, [sequences]."""
        return np.diff(self.starts)

    def array(self, name: str) -> npt.NDArray[np.generic]:
        """A column of the steps as NumPy array, [steps]."""
        return np.asarray(self.steps.column(name).to_numpy())

    def integers(self, name: str) -> Places:
        """A column of whole numbers, [steps] int64."""
        return np.asarray(self.array(name), np.int64)


def group(parts: Sequence[pa.Table], layout: Layout, report: Report) -> Sequences:
    """Puts the steps of a shard in order, whatever the order in which the parts come.

    Two steps of one sequence at one time are a problem: nothing orders them. The first by file and
    row is kept where bad rows are skipped. So is a label that differs within a sequence, unless
    windows are cut. What is given for one split and what is given for the other are grouped each for
    itself, also where an id is in both; the auditor reports that.
    """
    steps = pa.concat_tables(parts).combine_chunks()
    ids = whole_column(steps.column(ID)).dictionary_encode()
    by_name = pc.sort_indices(ids.dictionary).to_numpy()
    rank = np.empty(len(by_name), np.int64)
    rank[by_name] = np.arange(len(by_name))
    codes = rank[ids.indices.to_numpy()]
    if layout.files[0].split is not None:
        codes = codes * 2 + is_eval(steps.column(POSITION).to_numpy(), layout)
    keys = [steps.column(POSITION).to_numpy(), codes]
    if layout.time is not None:
        keys.insert(1, steps.column(TIME).to_numpy())
    order = np.lexsort(keys)
    if not np.array_equal(order, np.arange(len(order))):
        steps = steps.take(pa.array(order))
    codes = codes[order]
    if layout.time is not None and len(codes):
        steps, codes = _without_repeated_times(steps, codes, report)
    starts = np.append(np.flatnonzero(np.diff(codes, prepend=-1)), len(codes)).astype(np.int64)
    sequences = Sequences(steps, starts)
    if layout.data.window is None and LABEL in steps.column_names:
        _refuse_several_labels(sequences, layout, report)
    return sequences


def _without_repeated_times(steps: pa.Table, codes: Places, report: Report) -> tuple[pa.Table, Places]:
    times = steps.column(TIME).to_numpy()
    again = np.zeros(len(codes), bool)
    again[1:] = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    if not again.any():
        return steps, codes
    ids = steps.column(ID)
    report.add(
        again,
        steps.column(POSITION).to_numpy(),
        lambda place: (
            f"the sequence {ids[place].as_py()!r} already has a step at this time; nothing orders the two"
        ),
    )
    report.left_out += int(again.sum())
    return steps.filter(pa.array(~again)), codes[~again]


def _refuse_several_labels(sequences: Sequences, layout: Layout, report: Report) -> None:
    labels = sequences.steps.column(LABEL)
    firsts = labels.take(pa.array(np.repeat(sequences.starts[:-1], sequences.lengths)))
    differs = pc.not_equal(labels, firsts).to_numpy()
    report.add(
        differs,
        sequences.integers(POSITION),
        lambda place: (
            f"column {layout.config.label}: a sequence has one label; "
            f"expected {firsts[place].as_py()!r} as in its first step, got {labels[place].as_py()!r}"
        ),
        fatal=True,
    )


def is_eval(positions: Places, layout: Layout) -> npt.NDArray[np.bool_]:
    """Whether steps are from a file of the evaluation split, where the split is given."""
    by_file = np.array([file.split == "eval" for file in layout.files])
    inside: npt.NDArray[np.bool_] = by_file[file_of(positions)]
    return inside


@dataclass(frozen=True)
class Examples:
    """What becomes one tf.Example each: whole sequences, or windows of series.

    Attributes:
      sequence: [N] the sequence it is of.
      start: [N] place of its first step among all steps.
      length: [N] its steps.
      label: [N] place of the step its label is of, the last step that it needs.
    """

    sequence: Places
    start: Places
    length: Places
    label: Places

    def __len__(self) -> int:
        return len(self.start)

    def take(self, chosen: npt.NDArray[np.bool_] | slice) -> "Examples":
        """Some of them."""
        return Examples(self.sequence[chosen], self.start[chosen], self.length[chosen], self.label[chosen])


def whole(sequences: Sequences) -> Examples:
    """Every sequence as one example."""
    starts, lengths = sequences.starts[:-1], sequences.lengths
    return Examples(np.arange(len(sequences)), starts, lengths, starts + lengths - 1)


def windows(sequences: Sequences, length: int, stride: int, horizon: int) -> Examples:
    """Every window of every series.

    Windows begin at steps 0, `stride`, 2 · `stride`, … of a series; the label of one that begins at
    step s is that of step s + `length` - 1 + `horizon`, which must exist.

    Args:
      sequences: the series.
      length: steps in a window.
      stride: steps from one window to the next.
      horizon: steps from the window's last step to that of its label.
    """
    reach = length + horizon
    count = np.maximum(0, (sequences.lengths - reach) // stride + 1)
    series = np.repeat(np.arange(len(sequences)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    start = sequences.starts[series] + (np.arange(len(series)) - first) * stride
    return Examples(series, start, np.full(len(series), length), start + reach - 1)


def remaining_steps(sequences: Sequences, places: Places) -> npt.NDArray[np.float64]:
    """How many steps of its series follow a step."""
    series = np.searchsorted(sequences.starts, places, side="right") - 1
    following: npt.NDArray[np.float64] = (sequences.starts[series + 1] - 1 - places).astype(np.float64)
    return following


def chunks(examples: Examples, steps_at_once: int) -> Iterator[Examples]:
    """The examples in runs of about so many steps each, at least one example."""
    ends = np.cumsum(examples.length)
    begin = 0
    while begin < len(examples):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + steps_at_once, side="right")))
        yield examples.take(slice(begin, end))
        begin = end

"""Sequences in columns: what every reader makes and every later step takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.problems import Problems
from pipeline.errors import DataRefused


@dataclass(frozen=True)
class Sequences:
    """N sequences, in the order of their first row.

    Attributes:
      ids: [N] string, unique.
      labels: [N] string.
      features: name to [N] list<float32>, the steps of each sequence in order; NaN where missing.
      time: [N] list<timestamp> (UTC where the source names a zone), list<int64> or list<float64>,
        or None where steps have no time.
    """

    ids: pa.Array
    labels: pa.Array
    features: Mapping[str, pa.Array]
    time: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Steps in each sequence, [N]; the longest feature where they differ."""
        if not self.features:
            return np.zeros(len(self), np.int64)
        lengths = np.stack([pc.list_value_length(steps).to_numpy() for steps in self.features.values()])
        return np.asarray(lengths.max(axis=0), np.int64)

    @property
    def time_kind(self) -> pa.DataType | None:
        """Type of one moment; None where steps have no time."""
        return None if self.time is None else self.time.type.value_type

    @property
    def first_time(self) -> npt.NDArray[np.generic] | None:
        """Time of each sequence's first step, [N]."""
        return None if self.time is None else pc.list_element(self.time, 0).to_numpy()

    @property
    def last_time(self) -> npt.NDArray[np.generic] | None:
        """Time of each sequence's last step, [N]."""
        if self.time is None:
            return None
        return np.asarray(self.time.values.to_numpy()[self.time.offsets.to_numpy()[1:] - 1])

    def take(self, positions: npt.NDArray[np.int64]) -> "Sequences":
        """The sequences at some positions, in that order."""
        chosen = pa.array(positions)
        return replace(
            self,
            ids=self.ids.take(chosen),
            labels=self.labels.take(chosen),
            features={name: steps.take(chosen) for name, steps in self.features.items()},
            time=None if self.time is None else self.time.take(chosen),
        )


def concatenate(parts: list[Sequences]) -> Sequences:
    """Sequences of several files as one.

    Raises:
      DataRefused: the parts have different features or kinds of time, or an id occurs twice.
    """
    first = parts[0]
    for part in parts[1:]:
        if set(part.features) != set(first.features):
            raise DataRefused(
                "the files have different features",
                [f"expected {', '.join(first.features)}, got {', '.join(part.features)}"],
            )
        if part.time_kind != first.time_kind:
            raise DataRefused(
                "the files have different kinds of time",
                [f"expected {first.time_kind}, got {part.time_kind}"],
            )
    ids = pa.concat_arrays([part.ids for part in parts])
    refuse_repeated_ids(ids)
    return Sequences(
        ids=ids,
        labels=pa.concat_arrays([part.labels for part in parts]),
        features={name: pa.concat_arrays([part.features[name] for part in parts]) for name in first.features},
        time=None if first.time is None else pa.concat_arrays([part.time for part in parts]),
    )


def refuse_repeated_ids(ids: pa.Array) -> None:
    """Raises DataRefused where an id stands for two sequences."""
    counted = pc.value_counts(ids)
    problems = Problems()
    problems.add(
        pc.greater(counted.field("counts"), 1).to_numpy(zero_copy_only=False),
        lambda i: f"{counted.field('values')[i].as_py()!r}: {counted.field('counts')[i]} times",
    )
    problems.refuse("sequence ids occur more than once: {} (in ts files they are made of the file's name)")

"""What the training split holds, a number a sequence, read once before training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.trainer.inputs import Inputs

_AT_ONCE = 4096  # records parsed together


@dataclass(frozen=True)
class Survey:
    """N sequences in the order of their files.

    Attributes:
      lengths: [N] steps.
      labels: [N] class as bytes, or number; zeros where there is none.
      series: [N] id of the series a window is cut from, else of the sequence itself.
      starts: [N] first step of a window in its series, else 0.
      record_bytes: of all records together.
    """

    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[Any]
    series: npt.NDArray[np.object_]
    starts: npt.NDArray[np.int64]
    record_bytes: int

    def __len__(self) -> int:
        return len(self.lengths)


def survey(
    files: Sequence[str], transform: tft.TFTransformOutput, inputs: Inputs, label: str | None
) -> Survey:
    """Reads of each transformed example its length, its label and its series."""
    spec = transform.transformed_feature_spec()
    series = "series_id" if "series_id" in spec else "sequence_id"
    wanted = {name: spec[name] for name in (label or "", series, "window_start") if name in spec}
    first = inputs.names[0]
    steps = {first: tf.io.RaggedFeature(spec[first].dtype)}

    def parse(records: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(records, {**wanted, **steps})
        found = {name: parsed[name] for name in wanted}
        return {
            **found,
            "lengths": parsed[first].row_lengths(),
            "bytes": tf.cast(tf.strings.length(records), tf.int64),
        }

    parts = list(_numpy(read_records(files).batch(_AT_ONCE).map(parse, num_parallel_calls=tf.data.AUTOTUNE)))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    lengths = columns.get("lengths", np.zeros(0, np.int64))
    none = np.zeros(len(lengths), np.int64)
    return Survey(
        lengths=lengths,
        labels=columns.get(label or "", none),
        series=columns.get(series, none.astype(object)),
        starts=columns.get("window_start", none),
        record_bytes=int(columns.get("bytes", none).sum()),
    )


def read_records(files: Sequence[str]) -> tf.data.Dataset:
    """The serialized examples of files or patterns, in the order of the files' names."""
    matched = sorted(file for pattern in files for file in tf.io.gfile.glob(pattern))
    return tf.data.TFRecordDataset(matched, compression_type="GZIP")


def _numpy(dataset: tf.data.Dataset) -> Iterator[dict[str, npt.NDArray[Any]]]:
    yield from dataset.as_numpy_iterator()

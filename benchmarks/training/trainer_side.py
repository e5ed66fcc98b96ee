"""The Trainer's contender: its own loop, from a GZIP TFRecord file of transformed examples.

An epoch is what `fitting` does in one, without the validation. XLA and the widths of the batches are
decided as for a training of many epochs.
"""

import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from benchmarks.training.network import head_of, inputs_of, model_of
from benchmarks.training.shapes import BATCH, CLIP_NORM, LEARNING_RATE, Sequences, Shape, draw
from benchmarks.training.worker import Epoch, serve
from components.ingest.example_bytes import serialize
from components.trainer import devices
from components.trainer.dataset import Data, widths_of
from components.trainer.fitting import compile_model
from components.trainer.model import build
from components.trainer.survey import survey
from components.trainer.target import Target
from components.trainer.training import compiling_pays
from pipeline.config import Training

_LABEL = "label"
_LONG = 1_000_000  # epochs


class Transformed:
    """Stands for the output of Transform, of which `Data` and `survey` read the kinds of the features."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def transformed_feature_spec(self) -> dict[str, Any]:
        """Feature to how it is parsed."""
        shape, inputs = self._shape, inputs_of(self._shape)
        one = tf.io.FixedLenFeature([], tf.float32 if shape.task == "regression" else tf.string)
        return {
            **{name: tf.io.VarLenFeature(tf.float32) for name in inputs.numbers},
            **{name: tf.io.VarLenFeature(tf.int64) for name in inputs.tokens},
            **({} if shape.task == "generation" else {_LABEL: one}),
            "sequence_id": tf.io.FixedLenFeature([], tf.string),
            "sequence_length": tf.io.FixedLenFeature([], tf.string),
        }


def write_examples(path: Path, shape: Shape, sequences: Sequences) -> None:
    """Writes transformed examples as Transform does."""
    inputs, one = inputs_of(shape), np.arange(shape.sequences + 1)
    real, offsets = sequences.mask, np.concatenate([[0], np.cumsum(sequences.lengths)])
    columns = {
        name: _lists(offsets, sequences.steps[:, :, place][real]) for place, name in enumerate(inputs.numbers)
    }
    columns |= {name: _lists(offsets, sequences.steps[real].astype(np.int64)) for name in inputs.tokens}
    columns["sequence_id"] = _lists(one, [f"s{number}" for number in range(shape.sequences)])
    columns["sequence_length"] = _lists(one, [f"{shape.shortest}+"] * shape.sequences)
    if shape.task == "regression":
        columns[_LABEL] = _lists(one, sequences.labels)
    elif shape.task != "generation":
        columns[_LABEL] = _lists(one, sequences.labels.astype(str).tolist())
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in serialize(columns).to_pylist():
            writer.write(record)


def _lists(offsets: np.ndarray[Any, Any], values: Any) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))


def contender(folder: Path, shape: Shape) -> Epoch:
    """What trains an epoch, as `training.run_fn` sets it up."""
    path = folder / f"{len(list(folder.iterdir()))}.gz"
    write_examples(path, shape, draw(shape))
    transform, inputs, head = Transformed(shape), inputs_of(shape), head_of(shape)
    label = None if shape.task == "generation" else _LABEL
    classes = tuple(map(str, range(max(2, shape.size)))) if shape.task in ("binary", "multiclass") else ()
    found = survey([str(path)], transform, inputs, label)
    widths = widths_of(found.lengths)
    jit = compiling_pays(
        model_of(shape), Training(batch_size=BATCH, epochs=_LONG), Target(head),
        int(found.lengths.sum()), len(widths),
    )  # fmt: skip
    data = Data(
        [str(path)], transform, inputs, Target(head, classes), label, BATCH,
        widths if jit else (), int(found.lengths.max()),
    )  # fmt: skip
    training = Training(batch_size=BATCH, learning_rate=LEARNING_RATE, clip_norm=CLIP_NORM)
    keras.utils.set_random_seed(training.seed)
    with devices.strategy().scope(), devices.computing_in(devices.precision()):
        model = build(model_of(shape), inputs, head)
        compile_model(model, head, training, jit=jit)
    part = data.part(np.ones(len(found), bool), found.record_bytes)
    numbers: Iterator[int] = count()
    batches = part.epochs(len(found), training.seed)

    def epoch() -> None:
        model.optimizer.learning_rate = training.learning_rate
        model.fit(batches(next(numbers)), verbose=0, shuffle=False)

    return epoch


def main() -> None:
    """Serves, with its files in a temporary folder."""
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        serve(lambda shape, _: contender(Path(folder), shape))


if __name__ == "__main__":
    main()

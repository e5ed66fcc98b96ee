"""Exports of a model that can be computed on paper, sound or with one defect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.trainer.beside import FOLDER, files_of
from components.trainer.requests import as_json, requests
from components.trainer.warmup import WARMUP, write_warmup

SPEC = {"x": tf.io.VarLenFeature(tf.float32)}
WEIGHT = 0.25
LENGTHS = [3, 1, 0, 4, 6, 2, 5, 4]

Mean = Callable[["Tiny", tf.Tensor, tf.Tensor], tf.Tensor]


def paper_mean(module: "Tiny", steps: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean of the steps that are no padding, [batch]; 0 without any."""
    held = tf.where(mask, steps, tf.zeros_like(steps))
    return tf.math.divide_no_nan(
        tf.reduce_sum(held, axis=1), tf.reduce_sum(tf.cast(mask, tf.float32), axis=1)
    )


class Tiny(tf.Module):
    """Probability of `yes`: sigmoid(weight * mean of the steps)."""

    def __init__(self, mean: Mean) -> None:
        super().__init__()
        self.weight = tf.Variable(WEIGHT, name="weight")
        self.calls = tf.Variable(0.0, name="calls")
        self._mean = mean

    def answer(self, steps: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        mask = tf.sequence_mask(lengths, tf.shape(steps)[1])
        yes = tf.sigmoid(self.weight * self._mean(self, steps, mask))
        both = tf.stack([1 - yes, yes], axis=1)
        label = tf.where(yes >= 0.5, tf.constant("yes"), tf.constant("no"))
        return {"probabilities": both, "label": label, "score": tf.reduce_max(both, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.io.parse_example(examples, SPEC)["x"]
        ragged = tf.RaggedTensor.from_sparse(found)
        return self.answer(ragged.to_tensor(shape=[None, None]), ragged.row_lengths())

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, name="lengths"),
            tf.TensorSpec([None, None], tf.float32, name="x"),
        ]
    )
    def sequences(self, lengths: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.answer(x, lengths)


def on_paper(rows: list[dict[str, list[float]]]) -> dict[str, np.ndarray]:
    """The same in NumPy."""
    means = np.array([np.mean(row["x"]) if row["x"] else 0.0 for row in rows])
    yes = 1 / (1 + np.exp(-WEIGHT * means))
    both = np.stack([1 - yes, yes], axis=1)
    return {
        "probabilities": both,
        "label": np.where(yes >= 0.5, "yes", "no"),
        "score": both.max(axis=1),
    }


def export(
    folder: Path, mean: Mean = paper_mean, signatures: tuple[str, ...] = ("serving_default", "sequences")
) -> dict[str, Any]:
    """Writes an export; returns what is expected of it."""
    module = Tiny(mean)
    tf.saved_model.save(module, str(folder), {name: getattr(module, name) for name in signatures})
    random = np.random.default_rng(1)
    rows = [{"x": random.normal(2, 3, length).astype(np.float32).tolist()} for length in LENGTHS]
    asked = requests(rows, SPEC)
    (folder / FOLDER).mkdir()
    write_warmup(str(folder / FOLDER / WARMUP), asked)
    answers = {name: one.tolist() for name, one in on_paper(rows).items()}
    expected = {"requests": [as_json(one) for one in asked], "answers": answers, "units": {}}
    return json.loads(json.dumps({"files": files_of(str(folder)), **expected}))


def written_so(folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """What is expected where the trainer itself had written the export as it is now."""
    return {**expected, "files": files_of(str(folder))}

"""Batches of padded sequences from Transform's output."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.transform.preprocessing import feature_names, pad

VALIDATION_EVERY = 10  # every tenth training sequence decides when to stop, so that eval stays unseen
_SHUFFLED = 50_000  # sequences in the shuffle buffer


def batches(
    files: Sequence[str],
    transform: tft.TFTransformOutput,
    label: str,
    classes: Sequence[str],
    batch_size: int,
    *,
    part: str,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Batches of ({"steps": [batch, steps, features], "mask": [batch, steps]}, class id [batch]).

    Args:
      files: TFRecord files or patterns of transformed examples.
      transform: output of Transform.
      label: name of the label feature.
      classes: text of each class, in the order of the ids.
      batch_size: sequences in a batch; the last one may be smaller.
      part: `fit` or `validation`, the two parts of the training split, or `all`.
      seed: shuffles, differently in each epoch; None keeps the order of the files.
    """
    spec = transform.transformed_feature_spec()
    names = feature_names(spec, label)
    wanted = {name: spec[name] for name in (*names, label)}
    ids = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant(classes), tf.range(len(classes), dtype=tf.int64)), -1
    )

    def parse(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        parsed: dict[str, Any] = tf.io.parse_example(serialized, wanted)
        steps, mask = pad({name: parsed[name] for name in names})
        return {"steps": steps, "mask": mask}, ids.lookup(parsed[label])

    records = tf.data.TFRecordDataset(sorted(_matches(files)), compression_type="GZIP")
    if part != "all":
        records = records.enumerate().filter(
            lambda i, _: (i % VALIDATION_EVERY == 0) == (part == "validation")
        )
        records = records.map(lambda _, record: record)
    if seed is not None:
        records = records.shuffle(_SHUFFLED, seed=seed, reshuffle_each_iteration=True)
    return (
        records.batch(batch_size).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    )


def _matches(patterns: Sequence[str]) -> list[str]:
    return [file for pattern in patterns for file in tf.io.gfile.glob(pattern)]

"""Fits the trivial models to Transform's training split and measures them on its evaluation split."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.trainer.generation import JUDGED_TOKENS
from components.trainer.inputs import Inputs, read_inputs, stack
from components.trainer.metrics.classification import Classification
from components.trainer.metrics.combiner import Table, Tally, text
from components.trainer.metrics.generation import Generation
from components.trainer.metrics.regression import Regression
from components.trainer.survey import read_records
from components.verdict import trivial, trivial_generation
from components.verdict.trivial import Steps, Summaries

FITTED = 100_000  # sequences at most that are fitted to, and of many classes
FITTED_PROBABILITIES = 5_000_000  # no more than give so many probabilities

_AT_ONCE = 4096  # records parsed together, or as many as have
_AT_ONCE_BYTES = 32 << 20  # so many bytes
_ID = "sequence_id"  # which ingest writes

_Integers = npt.NDArray[np.int64]
_Read = tuple[Steps, npt.NDArray[Any]]  # some sequences and their labels; no labels for generation
_Reader = Callable[[Sequence[str], int | None], Iterator[_Read]]


def trivial_metrics(
    task: str,
    label: str,
    classes: tuple[str, ...],
    transform: tft.TFTransformOutput,
    train_files: Sequence[str],
    eval_files: Sequence[str],
) -> dict[str, dict[str, float | None]]:
    """What the trivial models of a task come to, by the metrics that the model itself is measured by.

    Of a large training split 100,000 sequences are fitted to, of more than 50 classes as many as give
    5 million probabilities: those whose ids have the smallest hashes, so that neither the order of the
    records nor their files matter. Sequences of the same id are chosen together.

    Args:
      task: `binary`, `multiclass`, `regression` or `generation`.
      label: name of the label feature.
      classes: of the training split, in the order of the model's probabilities, of two the positive one
        last; empty where there are none.
      transform: output of Transform.
      train_files: TFRecord files or patterns of transformed examples to fit to, at least one sequence.
      eval_files: those to measure on.

    Returns:
      Name of the trivial model, see `trivial` and `trivial_generation`, to metric to value. None where
      one is not finite; no metric without sequences.
    """
    inputs = read_inputs(transform, label)

    def read(files: Sequence[str], most: int | None) -> Iterator[_Read]:
        return _read(files, most, transform, inputs, None if task == "generation" else label)

    if task == "generation":
        tallies = _of_tokens(read, inputs, train_files, eval_files) if inputs.tokens else None
        tallies = tallies or _of_series(read, eval_files)
    elif task == "regression":
        tallies = _of_number(read, train_files, eval_files)
    else:
        tallies = _of_classes(read, classes, train_files, eval_files, binary=task == "binary")
    return {name: _finite(tally.metrics()) for name, tally in tallies.items()}


def _finite(metrics: Mapping[str, float | Table]) -> dict[str, float | None]:
    return {
        name: float(value) if math.isfinite(value) else None
        for name, value in metrics.items()
        if not isinstance(value, np.ndarray)
    }


def _of_classes(
    read: _Reader, classes: tuple[str, ...], train: Sequence[str], evaluated: Sequence[str], *, binary: bool
) -> dict[str, Tally]:
    places = {name: place for place, name in enumerate(classes)}
    summaries, labels = _summaries(read(train, min(FITTED, FITTED_PROBABILITIES // len(classes))))
    names, at = _texts(labels)
    numbers = np.array([places.get(name, -1) for name in names], np.int64)[at]
    known = numbers >= 0
    fitted_to = Summaries(summaries.order_free[known], summaries.last[known])
    models = trivial.classifiers(fitted_to, numbers[known], len(classes))
    tallies = {name: Classification(binary=binary) for name in models}
    for steps, labels in read(evaluated, None):
        asked = trivial.summarise(steps)
        names, at = _texts(labels)
        for name, model in models.items():
            tallies[name].add_columns(np.array(names)[at], model(asked), list(classes))
    return {**tallies}


def _of_number(read: _Reader, train: Sequence[str], evaluated: Sequence[str]) -> dict[str, Tally]:
    summaries, labels = _summaries(read(train, FITTED))
    models = trivial.regressors(summaries, labels.astype(np.float64))
    tallies = {name: Regression() for name in models}
    for steps, labels in read(evaluated, None):
        asked, truth = trivial.summarise(steps), labels.astype(np.float64)
        for name, model in models.items():
            tallies[name].add_columns(truth, model(asked))
    return {**tallies}


def _of_tokens(
    read: _Reader, inputs: Inputs, train: Sequence[str], evaluated: Sequence[str]
) -> dict[str, Tally]:
    (ids,) = inputs.tokens.values()
    models = trivial_generation.token_models(_pairs(read(train, FITTED), ids))
    tallies = {name: Generation() for name in models}
    for steps, _ in read(evaluated, None):
        for name, model in models.items():
            tallies[name].add_columns(trivial_generation.judged_tokens(model, steps, JUDGED_TOKENS))
    return {**tallies}


def _of_series(read: _Reader, evaluated: Sequence[str]) -> dict[str, Tally]:
    tallies: dict[str, Generation] = {"mean": Generation(), "last_value": Generation()}
    for steps, _ in read(evaluated, None):
        for name, columns in trivial_generation.judged_numbers(steps).items():
            tallies[name].add_columns(columns)
    return {**tallies}


def _summaries(batches: Iterator[_Read]) -> tuple[Summaries, npt.NDArray[Any]]:
    read = [(trivial.summarise(steps), labels) for steps, labels in batches]
    return trivial.joined([one for one, _ in read]), np.concatenate([labels for _, labels in read])


def _pairs(batches: Iterator[_Read], ids: int) -> trivial_generation.Pairs:
    """The pairs of all batches, put together when the new ones are as many as those before."""
    together = new = trivial_generation.no_pairs(ids)
    for steps, _ in batches:
        new += trivial_generation.pairs(steps, ids)
        if len(new.keys) > len(together.keys):
            together, new = together + new, trivial_generation.no_pairs(ids)
    return together + new


def _texts(labels: npt.NDArray[Any]) -> tuple[list[str], _Integers]:
    """The different classes, and which of them each label is."""
    names, at = np.unique(labels, return_inverse=True)
    return [text(name) for name in names], at


def _read(
    files: Sequence[str],
    most: int | None,
    transform: tft.TFTransformOutput,
    inputs: Inputs,
    label: str | None,
) -> Iterator[_Read]:
    """Transformed sequences in batches; of more than `most` those whose ids have the smallest hashes."""
    spec = transform.transformed_feature_spec()
    wanted = {name: tf.io.RaggedFeature(spec[name].dtype, row_splits_dtype=tf.int64) for name in inputs.names}
    wanted |= {} if label is None else {label: spec[label]}
    records, hashes = read_records(files), _Hashes(spec[_ID])
    largest = None if most is None else hashes.largest(records, most)

    def parse(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        if largest is not None:
            batch = tf.boolean_mask(batch, hashes(batch) <= largest)
        parsed = tf.io.parse_example(batch, wanted)
        stacked = stack(parsed, inputs)
        found = {name: steps.values for name, steps in stacked.items()}
        found["lengths"] = next(iter(stacked.values())).row_lengths()
        return found if label is None else {**found, "labels": parsed[label]}

    batches = records.batch(_at_once(records)).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(1)
    for found in batches.as_numpy_iterator():
        none = np.zeros((int(found["lengths"].sum()), 0), np.float32)
        steps = Steps(found.get("numbers", none), found.get("tokens", none), found["lengths"])
        if len(steps.lengths):
            yield steps, found.get("labels", np.zeros(0))


@dataclass(frozen=True)
class _Hashes:
    """Hashes of the ids of sequences; not of their records, whose bytes differ from one writer to the next.

    Attributes:
      spec: of the feature of the id.
    """

    spec: Any

    def __call__(self, records: tf.Tensor) -> tf.Tensor:
        ids = tf.io.parse_example(records, {_ID: self.spec})[_ID]
        return tf.strings.to_hash_bucket_fast(ids, 2**63 - 1)

    def largest(self, records: tf.data.Dataset, most: int) -> int | None:
        """The hash up to which so many sequences are chosen; None chooses all."""
        batches = records.batch(_AT_ONCE).map(self, num_parallel_calls=tf.data.AUTOTUNE)
        hashes = np.concatenate([np.zeros(0, np.int64), *batches.as_numpy_iterator()])
        return None if len(hashes) <= most else int(np.partition(hashes, most - 1)[most - 1])


def _at_once(records: tf.data.Dataset) -> int:
    """Records to parse together, by the size of the first ones."""
    sizes = [int(size) for size in records.take(64).map(tf.strings.length).as_numpy_iterator()]
    return int(np.clip(_AT_ONCE_BYTES * len(sizes) // max(1, sum(sizes)), 1, _AT_ONCE))

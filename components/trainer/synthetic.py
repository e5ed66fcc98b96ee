"""Made-up sequences within the schema: what a model is tried and warmed up with, never a real record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from components.trainer.inputs import Inputs, read_vocabulary
from components.trainer.scaling import read_scaling
from components.transform.preprocessing import EMPTY_VOCABULARY
from components.transform.tokens import of_one_line

UNKNOWN_TEXT = "never seen in training"
_ODD_SHARE = 0.1

Row = dict[str, list[Any]]  # raw feature to its steps


class Synthetic:
    """Draws sequences: numbers with the mean and deviation of training, tokens of the vocabularies.

    Args:
      transform: output of Transform.
      inputs: features of the model.
      texts: those that are text, whose words are steps.
      between: stands between the words of a text; nothing where they bring their own blanks.
    """

    def __init__(
        self, transform: tft.TFTransformOutput, inputs: Inputs, texts: Sequence[str], between: str = " "
    ) -> None:
        self._inputs, self._texts, self._between = inputs, texts, between
        self._spec = transform.raw_feature_spec()
        self._domains = {one.name: one for one in transform.raw_metadata.schema.feature}
        self._scaling = read_scaling(transform, inputs.numbers) if inputs.numbers else None
        self._tokens = {name: _tokens(transform, name) for name in inputs.tokens}

    def rows(self, lengths: Sequence[int], *, odd: bool = False, seed: int = 0) -> list[Row]:
        """Draws a sequence of each length; the same ones for the same seed.

        Args:
          lengths: steps, or words where a feature is text.
          odd: whether some numbers are missing and some tokens unknown.
          seed: of the random numbers.
        """
        random = np.random.default_rng(seed)
        return [self._row(length, random, _ODD_SHARE if odd else 0.0) for length in lengths]

    def _row(self, length: int, random: np.random.Generator, odd: float) -> Row:
        row: Row = {name: self._token_steps(name, length, random, odd) for name in self._inputs.tokens}
        for place, name in enumerate(self._inputs.numbers):
            row[name] = self._number_steps(place, name, length, random, odd)
        row = {name: row[name] for name in self._inputs.names}
        if not self._texts or not length:
            return row
        # A text is one step of many words, and beside it stands one step of each other feature.
        texts = self._texts
        return {
            name: [self._between.join(steps)] if name in texts else steps[:1] for name, steps in row.items()
        }

    def _token_steps(self, name: str, length: int, random: np.random.Generator, odd: float) -> list[str]:
        known = self._tokens[name]
        steps = [known[at] for at in random.integers(0, len(known), length)] if known else [""] * length
        unknown = random.random(length) < odd
        return [UNKNOWN_TEXT if strange else step for step, strange in zip(steps, unknown, strict=True)]

    def _number_steps(
        self, place: int, name: str, length: int, random: np.random.Generator, odd: float
    ) -> list[Any]:
        assert self._scaling is not None
        drawn = random.normal(self._scaling.mean[place], abs(self._scaling.deviation[place]), length)
        drawn = _within(drawn, self._domains[name])
        missing = random.random(length) < odd
        if self._spec[name].dtype.is_integer:
            return [int(one) for one in np.rint(drawn)]
        steps: npt.NDArray[np.float32] = np.where(missing, np.nan, drawn).astype(np.float32)
        return list(steps.tolist())


def _tokens(transform: tft.TFTransformOutput, name: str) -> list[str]:
    return [of_one_line(one) for one in read_vocabulary(transform, name) if one != EMPTY_VOCABULARY]


def _within(numbers: npt.NDArray[np.float64], feature: schema_pb2.Feature) -> npt.NDArray[np.float64]:
    """Numbers cut to the domain that the schema gives the feature, if any."""
    kind = feature.WhichOneof("domain_info")
    if kind not in ("int_domain", "float_domain"):
        return numbers
    domain = getattr(feature, kind)
    low = domain.min if domain.HasField("min") else -np.inf
    high = domain.max if domain.HasField("max") else np.inf
    return np.clip(numbers, low, high)


def as_examples(rows: Sequence[Row], spec: Any) -> npt.NDArray[np.object_]:
    """Rows as serialized tf.Examples, [rows] bytes."""
    found = np.empty(len(rows), np.object_)
    found[:] = [_example(row, spec) for row in rows]
    return found


def _example(row: Row, spec: Any) -> bytes:
    features = {}
    for name, steps in row.items():
        kind = spec[name].dtype
        if kind == tf.string:
            texts = tf.train.BytesList(value=[step.encode() for step in steps])
            features[name] = tf.train.Feature(bytes_list=texts)
        elif kind == tf.int64:
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=steps))
        else:
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=steps))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))

"""The Trainer's GRU, compiled once and trained anew as often as asked."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.gate.tallied import Floats, Integers, by_label
from components.trainer.fitting import compile_model
from components.trainer.inputs import Inputs
from components.trainer.model import Head, build
from components.verdict import trivial
from components.verdict.decisions import Decision
from components.verdict.evaluation import Evaluated, Evidence
from components.verdict.evaluator import NO_BASELINE
from components.verdict.gates import judge
from components.verdict.trivial import Steps, Summaries, summarise
from pipeline.config import Config, Model, Training

Numbers = npt.NDArray[np.float32]


class Learner:
    """A GRU without dropout for classes.

    Args:
      classes: K names; of two the last is the positive one.
      features: numbers of each step.
      units: of the GRU.
      batch_size: sequences in a batch.
      learning_rate: of Adam.
    """

    def __init__(
        self, classes: Sequence[str], features: int, units: int, batch_size: int, learning_rate: float
    ) -> None:
        self.classes = list(classes)
        binary = len(self.classes) == 2
        self._head = Head("binary" if binary else "multiclass", 1 if binary else len(self.classes))
        self._inputs = Inputs(tuple(f"f{place}" for place in range(features)), {})
        self._model_config = Model(units=(units,), dropout=0.0)
        training = Training(batch_size=batch_size, learning_rate=learning_rate)
        self._batch_size = batch_size
        self._model = build(self._model_config, self._inputs, self._head)
        compile_model(self._model, self._head, training, jit=True)
        self._model.optimizer.build(self._model.trainable_variables)
        self._optimizer_at_first = [np.array(one) for one in self._model.optimizer.variables]

    def start(self, seed: int) -> None:
        """Forgets everything: new weights, and an optimizer that has not moved yet."""
        keras.utils.set_random_seed(seed)
        self._model.set_weights(build(self._model_config, self._inputs, self._head).get_weights())
        for variable, value in zip(self._model.optimizer.variables, self._optimizer_at_first, strict=True):
            variable.assign(value)

    def train(self, numbers: Numbers, labels: Integers, epochs: int) -> None:
        """Trains on numbers [n, steps, features] and labels [n], places among the classes."""
        truth = labels[:, None].astype(np.float32) if len(self.classes) == 2 else labels[:, None]
        batches = tf.data.Dataset.from_tensor_slices((_asked(numbers), truth))
        batches = batches.shuffle(len(labels), seed=1).batch(self._batch_size, drop_remainder=True)
        self._model.fit(batches, epochs=epochs, verbose=0)

    def probabilities(self, numbers: Numbers) -> Floats:
        """What the model answers, [n, K]."""
        logits = np.asarray(self._model.predict_on_batch(_asked(numbers)), np.float64)
        if len(self.classes) == 2:
            positive = 1 / (1 + np.exp(-logits[:, 0]))
            return np.column_stack([1 - positive, positive])
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)

    def evidence(
        self,
        train: tuple[Numbers, Integers],
        evaluation: tuple[Numbers, Integers],
        seen: Callable[[Numbers], Numbers] = lambda numbers: numbers,
    ) -> Evidence:
        """What the pipeline would know of the model, which is the first.

        Args:
          train: sequences and their labels.
          evaluation: those that judge.
          seen: what the model sees of sequences. The trivial models see the sequences.
        """
        slices = [
            by_label(labels, self.probabilities(seen(numbers)), self.classes)
            for numbers, labels in (evaluation, train)
        ]
        return Evidence(
            eval=Evaluated(slices[0]),
            train=slices[1],
            trivial=_trivial(train, evaluation, self.classes),
            no_baseline=NO_BASELINE,
            first=True,
        )


def _asked(numbers: Numbers) -> dict[str, Any]:
    return {"numbers": numbers, "mask": np.ones(numbers.shape[:2], bool)}


def _trivial(
    train: tuple[Numbers, Integers], evaluation: tuple[Numbers, Integers], classes: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    asked = _summaries(evaluation[0])
    models = trivial.classifiers(_summaries(train[0]), train[1], len(classes))
    return {
        name: dict(by_label(evaluation[1], model(asked), classes)[0].metrics)
        for name, model in models.items()
    }


def _summaries(numbers: Numbers) -> Summaries:
    count, steps, features = numbers.shape
    flat = numbers.reshape(-1, features)
    return summarise(Steps(flat, np.zeros((len(flat), 0), np.int32), np.full(count, steps, np.int64)))


def verdict(evidence: Evidence, **gate: Any) -> list[Decision]:
    """The decisions on a model; without a gate, under the default policy of its task."""
    assert evidence.overall.confusion is not None
    task = "binary" if len(evidence.overall.confusion.classes) == 2 else "multiclass"
    data = {"source": "unused.csv", "sequence_id": "id", "label": "label"}
    raw = {"name": "gate", "task": task, "data": data, **({"gate": gate} if gate else {})}
    return judge(Config.model_validate(raw), evidence)

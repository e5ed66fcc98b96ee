"""The SavedModel that TF Serving and TFMA load: raw sequences in, answers out."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.ingest.names import argument_name
from components.trainer.answers import ClassAnswer, NumberAnswer, Tensors
from components.trainer.generation import TokenAnswer
from components.trainer.inputs import Inputs, pad, stack
from components.trainer.series import SeriesAnswer
from components.transform.preprocessing import SEQUENCE_LENGTH, STEP_TIME

Answer = ClassAnswer | NumberAnswer | TokenAnswer | SeriesAnswer


class ServedModel(tf.Module):
    """A trained model with everything it needs to answer raw sequences.

    Args:
      answer: from padded features to the outputs of the signatures; holds the trained model.
      transform: output of Transform; its graph and vocabularies go into the export.
      inputs: features of the model.

    Attributes:
      answer: as given.
    """

    def __init__(self, answer: Answer, transform: tft.TFTransformOutput, inputs: Inputs) -> None:
        super().__init__()
        # The answer itself is kept where `tf.saved_model.save` does not look: of a Keras variable it saves a
        # second one beside that which the graph reads, and the C++ loader restores the second one alone.
        self.answer = answer
        self._weights = [one.value for one in answer.model.variables]
        self._inputs = inputs
        self._transform = transform.transform_features_layer()
        raw = transform.raw_feature_spec()
        self._spec = {name: raw[name] for name in inputs.names}
        known = (STEP_TIME,) if STEP_TIME in transform.transformed_feature_spec() else ()
        self._times = {name: raw[name] for name in known}

    def _padded(self, raw: Mapping[str, tf.SparseTensor]) -> dict[str, tf.Tensor]:
        transformed = self._transform(dict(raw))
        ragged = {name: tf.RaggedTensor.from_sparse(transformed[name]) for name in self._inputs.names}
        return pad(stack(ragged, self._inputs))

    def answers(self, examples: tf.Tensor) -> Tensors:
        """What `serving_default` answers serialized tf.Examples [batch], computed in this process."""
        return self.answer(self._padded(tf.io.parse_example(examples, self._spec)))

    def save(self, folder: str) -> None:
        """Writes the SavedModel.

        Its signatures are `serving_default` and `sequences`; for generation also `generate` and, for
        the metrics, `evaluation`; and, for slices of the evaluation, `transform_features`.
        """
        examples = tf.TensorSpec([None], tf.string, name="examples")
        timed = {**self._spec, **self._times}
        sliced_by = (SEQUENCE_LENGTH, *self._times)

        @tf.function(input_signature=[examples])
        def serving_default(examples: tf.Tensor) -> Tensors:
            return self.answers(examples)

        @tf.function(input_signature=[examples])
        def transform_features(examples: tf.Tensor) -> Tensors:
            transformed = self._transform(tf.io.parse_example(examples, timed))
            return {name: transformed[name] for name in sliced_by}

        signatures = {
            "serving_default": serving_default,
            "sequences": self._sequences(),
            "transform_features": transform_features,
        }
        if isinstance(answer := self.answer, TokenAnswer | SeriesAnswer):
            goes_on = self._text(answer) if isinstance(answer, TokenAnswer) else self._series(answer)
            signatures |= {"evaluation": self._evaluation(answer, examples), "generate": goes_on}
        tf.saved_model.save(self, folder, signatures=signatures)

    def _sequences(self) -> Any:
        @tf.function
        def sequences(lengths: tf.Tensor, **features: tf.Tensor) -> Tensors:
            return self.answer(self._padded_tensors(features, lengths))

        return sequences.get_concrete_function(**self._tensors())

    def _evaluation(self, answer: TokenAnswer | SeriesAnswer, examples: tf.TensorSpec) -> Any:
        @tf.function(input_signature=[examples])
        def evaluation(examples: tf.Tensor) -> Tensors:
            return answer.judged(self._padded(tf.io.parse_example(examples, self._spec)))

        return evaluation

    def _series(self, answer: SeriesAnswer) -> Any:
        @tf.function
        def generate(lengths: tf.Tensor, max_new_tokens: tf.Tensor, **features: tf.Tensor) -> Tensors:
            steps = answer.continued(self._padded_tensors(features, lengths), max_new_tokens)
            names = [argument_name(name) for name in self._inputs.numbers]
            return {name: steps[:, :, place] for place, name in enumerate(names)}

        count = tf.TensorSpec([], tf.int32, name="max_new_tokens")
        return generate.get_concrete_function(**self._tensors(), max_new_tokens=count)

    def _tensors(self) -> dict[str, tf.TensorSpec]:
        """A tensor [batch, steps] per feature, under a name TensorFlow allows, and `lengths` [batch]."""
        names = {argument_name(name): spec.dtype for name, spec in self._spec.items()}
        return {
            "lengths": tf.TensorSpec([None], tf.int64, name="lengths"),
            **{name: tf.TensorSpec([None, None], kind, name=name) for name, kind in names.items()},
        }

    def _padded_tensors(self, features: Mapping[str, tf.Tensor], lengths: tf.Tensor) -> dict[str, tf.Tensor]:
        names = {argument_name(name): name for name in self._spec}
        return self._padded({names[name]: _sparse(steps, lengths) for name, steps in features.items()})

    def _text(self, answer: TokenAnswer) -> Any:
        (name,) = self._inputs.tokens

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="prompt"),
                tf.TensorSpec([], tf.int32, name="max_new_tokens"),
                tf.TensorSpec([], tf.float32, name="temperature"),
                tf.TensorSpec([], tf.int64, name="seed"),
            ]
        )
        def generate(
            prompt: tf.Tensor, max_new_tokens: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor
        ) -> Tensors:
            padded = self._padded({name: answer.steps(prompt)})
            return answer.text(padded, max_new_tokens, temperature, seed)

        return generate


def _sparse(steps: tf.Tensor, lengths: tf.Tensor) -> tf.SparseTensor:
    """The first `lengths` steps of each row; what stands behind them is padding, whatever its value.

    A length below 0 counts as 0, one beyond the tensor as all its steps: one row's mistake must not
    fail the others of its batch.
    """
    possible = tf.clip_by_value(lengths, 0, tf.shape(steps, tf.int64)[1])
    return tf.RaggedTensor.from_tensor(steps, lengths=possible).to_sparse()

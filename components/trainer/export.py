"""The SavedModel that TF Serving and TFMA load: raw sequences in, probabilities and labels out."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from components.ingest.names import argument_name
from components.transform.preprocessing import SEQUENCE_LENGTH, feature_names, pad

_Tensors = dict[str, Any]


class ServedModel(tf.Module):
    """A trained model with everything it needs to answer raw sequences.

    Args:
      model: from `steps` and `mask` to probabilities.
      transform: output of Transform; its graph and vocabulary go into the export.
      label: name of the label feature, which requests do not have.
      classes: text of each class, in the order of the probabilities.
    """

    def __init__(
        self, model: keras.Model, transform: tft.TFTransformOutput, label: str, classes: Sequence[str]
    ) -> None:
        super().__init__()
        self._model = model
        self._transform = transform.transform_features_layer()
        raw = transform.raw_feature_spec()
        self._spec = {name: raw[name] for name in feature_names(raw, label)}
        self._classes = tf.constant(list(classes))

    def _answer(self, raw: _Tensors) -> _Tensors:
        transformed = self._transform(raw)
        steps, mask = pad({name: transformed[name] for name in self._spec})
        probabilities = self._model({"steps": steps, "mask": mask}, training=False)
        best = tf.argmax(probabilities, axis=-1)
        return {
            "probabilities": probabilities,
            "label": tf.gather(self._classes, best),
            "score": tf.reduce_max(probabilities, axis=-1),
            "classes": tf.tile(self._classes[tf.newaxis], [tf.shape(probabilities)[0], 1]),
        }

    def save(self, folder: str) -> None:
        """Writes the SavedModel.

        Its signatures are `serving_default`, `sequences` and, for slices of the evaluation,
        `transform_features`.
        """
        examples = tf.TensorSpec([None], tf.string, name="examples")

        @tf.function(input_signature=[examples])
        def serving_default(examples: tf.Tensor) -> _Tensors:
            return self._answer(tf.io.parse_example(examples, self._spec))

        @tf.function(input_signature=[examples])
        def transform_features(examples: tf.Tensor) -> _Tensors:
            transformed = self._transform(tf.io.parse_example(examples, self._spec))
            return {SEQUENCE_LENGTH: transformed[SEQUENCE_LENGTH]}

        @tf.function
        def sequences(lengths: tf.Tensor, **features: tf.Tensor) -> _Tensors:
            return self._answer(
                {arguments[name]: _sparse(steps, lengths) for name, steps in features.items()}
            )

        arguments = {argument_name(name): name for name in self._spec}
        tf.saved_model.save(
            self,
            folder,
            signatures={
                "serving_default": serving_default,
                "sequences": sequences.get_concrete_function(
                    lengths=tf.TensorSpec([None], tf.int64, name="lengths"),
                    **{
                        argument: tf.TensorSpec([None, None], self._spec[name].dtype, name=argument)
                        for argument, name in arguments.items()
                    },
                ),
                "transform_features": transform_features,
            },
        )


def _sparse(steps: tf.Tensor, lengths: tf.Tensor) -> tf.SparseTensor:
    """The first `lengths` steps of each row; what stands behind them is padding, whatever its value."""
    possible = tf.logical_and(lengths >= 0, lengths <= tf.shape(steps, tf.int64)[1])
    tf.debugging.Assert(
        tf.reduce_all(possible), ["lengths: expected 0 to the steps of each tensor, got", lengths]
    )
    return tf.RaggedTensor.from_tensor(steps, lengths=lengths).to_sparse()

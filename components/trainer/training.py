"""Trains the GRU: the `run_fn` of TFX's Trainer."""

import json
import logging
import math
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx

from components.trainer.dataset import batches
from components.trainer.export import ServedModel
from components.trainer.model import build
from components.transform.preprocessing import VOCABULARY, feature_names
from pipeline.config import Model, Training
from pipeline.errors import DataRefused, SluiceError

HISTORY = "history.json"
KERAS_MODEL = "model.keras"

log = logging.getLogger("sluice.training")


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains on the training split and writes the SavedModel.

    Every tenth training sequence is held out to decide when to stop, so that the evaluation split
    stays unseen. The Keras model and `history.json` (loss and accuracy of each epoch) go to the
    ModelRun artifact.

    Args:
      fn_args: `custom_config` holds `label`, `model` and `training` of the configuration.

    Raises:
      DataRefused: the training split has fewer than two classes.
    """
    settings = fn_args.custom_config
    model_config = Model.model_validate_json(json.dumps(settings["model"]))
    training = Training.model_validate_json(json.dumps(settings["training"]))
    transform = tft.TFTransformOutput(fn_args.transform_output)
    classes = read_classes(transform)
    keras.utils.set_random_seed(training.seed)
    features = len(feature_names(transform.transformed_feature_spec(), settings["label"]))
    model = build(model_config, features, len(classes))
    data = (fn_args.train_files, transform, settings["label"], classes, training.batch_size)
    history = fit(
        model,
        batches(*data, part="fit", seed=training.seed),
        batches(*data, part="validation"),
        training,
    )
    answering = without_dropout(model, model_config, features, len(classes))
    ServedModel(answering, transform, settings["label"], classes).save(fn_args.serving_model_dir)
    tf.io.gfile.makedirs(fn_args.model_run_dir)
    model.save(f"{fn_args.model_run_dir}/{KERAS_MODEL}")
    with tf.io.gfile.GFile(f"{fn_args.model_run_dir}/{HISTORY}", "w") as file:
        file.write(json.dumps({"parameters": model.count_params(), "epochs": history}, indent=2) + "\n")


def read_classes(transform: tft.TFTransformOutput) -> list[str]:
    """The classes of the training split in the order of their ids: numbers by value, then text.

    Sorted, not by frequency, so that a class keeps its place when more data comes.
    """
    classes = [text.decode() for text in transform.vocabulary_by_name(VOCABULARY)]
    if len(classes) < 2:
        raise DataRefused(
            "the training split has one class only",
            [f"every sequence is {classes[0]!r}; a model needs at least two classes to tell apart"],
        )
    return sorted(classes, key=_class_order)


def _class_order(text: str) -> tuple[float, str]:
    try:
        number = float(text)
    except ValueError:
        return math.inf, text
    return (number, text) if math.isfinite(number) else (math.inf, text)


def without_dropout(model: keras.Model, config: Model, features: int, classes: int) -> keras.Model:
    """The same weights in a model that only answers.

    Keras draws dropout masks also where it does not apply them, and the random state they come from
    cannot be exported.
    """
    answering = build(config.model_copy(update={"dropout": 0.0, "recurrent_dropout": 0.0}), features, classes)
    answering.set_weights(model.get_weights())
    return answering


def fit(
    model: keras.Model, train: tf.data.Dataset, validation: tf.data.Dataset, training: Training
) -> list[dict[str, float]]:
    """Fits the model with early stopping, keeps the best weights, and returns the epochs' metrics."""
    model.compile(
        optimizer=keras.optimizers.Adam(training.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    progress = _Progress(training.epochs)
    stop = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=training.patience, restore_best_weights=True
    )
    model.fit(
        train, validation_data=validation, epochs=training.epochs, verbose=0, callbacks=[stop, progress]
    )
    return progress.epochs


class _Progress(keras.callbacks.Callback):
    """Logs one line an epoch, and ends training when the loss is no number."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._planned = epochs
        self.epochs: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self.epochs.append(metrics)
        log.info(
            "epoch %d/%d  loss %.4f  accuracy %.4f  validation loss %.4f  accuracy %.4f",
            epoch + 1,
            self._planned,
            *(metrics[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy")),
        )
        if not math.isfinite(metrics["loss"]):
            raise SluiceError(
                "training diverged",
                [f"the loss of epoch {epoch + 1} is {metrics['loss']}; lower training.learning_rate"],
            )

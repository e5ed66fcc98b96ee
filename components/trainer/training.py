"""Trains the GRU: the `run_fn` of TFX's Trainer."""

import json
import logging
from typing import Any, TypedDict

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx

from components.trainer import devices
from components.trainer.answers import ClassAnswer, NumberAnswer
from components.trainer.beside import EXPECTED, Beside
from components.trainer.checkpoint import Checkpoint
from components.trainer.dataset import Data, widths_of
from components.trainer.export import Answer, ServedModel
from components.trainer.fitting import Report, compile_model, fit
from components.trainer.generation import TokenAnswer
from components.trainer.holdout import Mask, hold_out
from components.trainer.inputs import Inputs, read_inputs, read_vocabulary
from components.trainer.model import Head, answering, build
from components.trainer.scaling import read_scaling
from components.trainer.series import SeriesAnswer
from components.trainer.survey import survey
from components.trainer.target import Target, class_target, number_target
from components.transform.preprocessing import CLASSES, EMPTY_VOCABULARY
from pipeline.config import Model, Training
from pipeline.errors import ConfigError, DataRefused

HISTORY = "history.json"
KERAS_MODEL = "model.keras"
TENSORBOARD = "tensorboard"
_UNFINISHED = "unfinished"  # beside the artifacts of the stage

log = logging.getLogger("sluice.training")


class Settings(TypedDict):
    """What `run_fn` needs to know of the configuration.

    Attributes:
      task: `binary`, `multiclass`, `regression` or `generation`.
      label: name of the label feature.
      positive: the class that `binary` is about, or None.
      window_span: steps from the first of a window to that of its label; 0 where there are no windows.
      texts: features of text, whose words are steps.
      prompt: generation: how a prompt becomes steps, see `components.trainer.generation.PROMPTS`.
      model: section of the configuration, as JSON.
      training: section of the configuration, as JSON.
      code: digest of the code, so that changed code is not served from the cache.
    """

    task: str
    label: str
    positive: str | None
    window_span: int
    texts: list[str]
    prompt: str
    model: dict[str, Any]
    training: dict[str, Any]
    code: str


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains on the training split and writes the SavedModel.

    A tenth of the training split is held out to decide when to stop, see `hold_out`, so that the
    evaluation split stays unseen. The Keras model, `history.json` (metrics and seconds of each epoch, and
    how much it is fitted to), `expected.json` (what the export must hold and answer) and logs for
    TensorBoard go to the ModelRun artifact.

    Args:
      fn_args: `custom_config` holds `Settings`.

    Raises:
      DataRefused: there is nothing to learn from the labels, or there are too few sequences.
      ConfigError: the configuration does not fit the data.
      SluiceError: the loss is no number any more.
    """
    settings: Settings = fn_args.custom_config
    config = Model.model_validate_json(json.dumps(settings["model"]))
    training = Training.model_validate_json(json.dumps(settings["training"]))
    label = None if settings["task"] == "generation" else settings["label"]
    transform = tft.TFTransformOutput(fn_args.transform_output)
    inputs = read_inputs(transform, settings["label"])
    _refuse_mixture(settings["task"], inputs)
    found = survey(fn_args.train_files, transform, inputs, label)
    fitted, held = hold_out(found, settings["window_span"])
    _refuse_too_few(fitted, held, training)
    if label is None:
        _refuse_nothing_to_say(transform, inputs, found.lengths)
    target = _target(settings, transform, inputs, found.labels, training)
    widths, longest = widths_of(found.lengths), int(found.lengths.max())
    steps = int(found.lengths[fitted].sum())
    jit = compiling_pays(config, training, target, steps, len(widths))
    data = Data(
        fn_args.train_files, transform, inputs, target, label, training.batch_size,
        widths if jit else (), longest,
    )  # fmt: skip
    keras.utils.set_random_seed(training.seed)
    with devices.strategy().scope(), devices.computing_in(devices.precision()):
        model = build(config, inputs, target.head)
        compile_model(model, target.head, training, jit=jit, class_weights=target.weights)
    log.info("fitting %s", _in_words(model, fitted, held, jit=jit))
    checkpoint = Checkpoint(
        f"{fn_args.model_run_dir.rstrip('/').rsplit('/', 2)[0]}/{_UNFINISHED}",
        {**settings}, fn_args.transform_output, list(fn_args.train_files),
    )  # fmt: skip
    validation = data.part(held, found.record_bytes).sorted()
    state = fit(
        model,
        data.part(fitted, found.record_bytes).epochs(int(fitted.sum()), training.seed),
        validation,
        training,
        checkpoint,
        Report(target.head, training.epochs, f"{fn_args.model_run_dir}/{TENSORBOARD}"),
    )
    answers = answering(model, config, inputs, target.head)
    tf.io.gfile.makedirs(fn_args.model_run_dir)
    answers.save(f"{fn_args.model_run_dir}/{KERAS_MODEL}")
    history = {
        "parameters": model.count_params(),
        "classes": list(target.classes),
        "sequences": {"fitted": int(fitted.sum()), "held_out": int(held.sum())},
        "steps": steps,
        "epochs": state.epochs,
    }
    with tf.io.gfile.GFile(f"{fn_args.model_run_dir}/{HISTORY}", "w") as file:
        file.write(json.dumps(history, indent=2) + "\n")
    answer = _answer(answers, settings, transform, inputs, target)
    served = ServedModel(answer, transform, inputs)
    served.save(fn_args.serving_model_dir)
    beside = Beside(fn_args.serving_model_dir, served, transform, inputs, settings["texts"], found.lengths)
    beside.write(f"{fn_args.model_run_dir}/{EXPECTED}")
    checkpoint.delete()


def compiling_pays(config: Model, training: Training, target: Target, steps: int, shapes: int) -> bool:
    """Whether to compile with XLA; a head at every step is computed faster without."""
    state = training.batch_size * max(config.units)
    every_step = target.head.task == "generation"
    return not every_step and devices.xla_pays(steps * training.epochs, shapes, state)


def _refuse_mixture(task: str, inputs: Inputs) -> None:
    if task == "generation" and len(inputs.tokens) > (0 if inputs.numbers else 1):
        raise ConfigError(
            "generation learns the next step of one feature of tokens, or of numbers",
            [f"got {', '.join(inputs.names)}; put the others in data.ignore"],
        )


def _refuse_nothing_to_say(
    transform: tft.TFTransformOutput, inputs: Inputs, lengths: npt.NDArray[np.int64]
) -> None:
    if lengths.max(initial=0) < 2:
        raise DataRefused(
            "no sequence has a next step to learn", ["expected sequences of two steps and more, got one step"]
        )
    if inputs.numbers:
        deviation = read_scaling(transform, inputs.numbers).deviation
        if still := [name for name, one in zip(inputs.numbers, deviation, strict=True) if not one > 0]:
            raise DataRefused(
                "a feature that never changes has no next step to learn",
                [
                    f"{name}: the same at every step of the training split; put it in data.ignore"
                    for name in still
                ],
            )
    for feature in inputs.tokens:
        if read_vocabulary(transform, feature) == [EMPTY_VOCABULARY]:
            raise DataRefused(
                f"{feature}: no token occurs twice in the training split",
                ["tokens that occur once count as unknown, and a model of unknown tokens has nothing to say"],
            )


def _refuse_too_few(fitted: Mask, held: Mask, training: Training) -> None:
    count = int(fitted.sum())
    if count < training.batch_size or not held.any():
        dropped = len(fitted) - count - int(held.sum())
        overlapping = f" and {dropped} windows that share steps with these" if dropped else ""
        raise ConfigError(
            "the training split has fewer sequences than a batch",
            [
                f"expected at least training.batch_size ({training.batch_size}) to fit to, got {count} "
                f"beside {int(held.sum())} held out to decide when to stop{overlapping}; "
                "lower training.batch_size, or give more data"
            ],
        )


def _target(
    settings: Settings,
    transform: tft.TFTransformOutput,
    inputs: Inputs,
    labels: npt.NDArray[Any],
    training: Training,
) -> Target:
    task = settings["task"]
    if task == "regression":
        return number_target(labels)
    if task == "generation":
        return Target(
            Head(task, *inputs.tokens.values()) if inputs.tokens else Head(task, len(inputs.numbers))
        )
    classes = [text.decode() for text in transform.vocabulary_by_name(CLASSES)]
    return class_target(task, classes, settings["positive"], labels, training)


def _answer(
    model: keras.Model, settings: Settings, transform: tft.TFTransformOutput, inputs: Inputs, target: Target
) -> Answer:
    if settings["task"] == "regression":
        return NumberAnswer(model)
    if settings["task"] == "generation":
        if inputs.numbers:
            return SeriesAnswer(model, inputs, read_scaling(transform, inputs.numbers))
        (feature,) = inputs.tokens
        return TokenAnswer(model, read_vocabulary(transform, feature), settings["prompt"])
    return ClassAnswer(model, target.classes)


def _in_words(model: keras.Model, fitted: Mask, held: Mask, *, jit: bool) -> str:
    how = ", compiled with XLA" if jit else ""
    return (
        f"{int(fitted.sum()):,} sequences, {int(held.sum()):,} held out to decide when to stop; "
        f"{model.count_params():,} parameters{how}"
    )

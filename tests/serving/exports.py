"""Real exports of small models with drawn weights, to be asked."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from components.trainer.answers import ClassAnswer
from components.trainer.beside import write_beside
from components.trainer.dataset import Data
from components.trainer.export import ServedModel
from components.trainer.generation import TokenAnswer
from components.trainer.inputs import read_inputs, read_vocabulary
from components.trainer.model import Head, answering, build
from components.trainer.scaling import read_scaling
from components.trainer.series import SeriesAnswer
from components.trainer.target import Target
from pipeline.config import Model
from serving.loader.model import Model as Loaded
from tests.components.conftest import LABEL, Transformed

_SIZE = Model(units=(5,), embedding=3)


@dataclass(frozen=True)
class Export:
    """An export as TensorFlow Serving's loader has it, beside its folder."""

    folder: Path
    model: Loaded


def export(transformed: Transformed, target: Target, folder: Path, texts: tuple[str, ...] = ()) -> Export:
    """The export of a model whose weights are drawn."""
    inputs = read_inputs(transformed.output, LABEL)
    keras.utils.set_random_seed(3)
    model = build(_SIZE, inputs, target.head)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(scale=0.5, size=one.shape) for one in model.get_weights()])
    model = answering(model, _SIZE, inputs, target.head)
    ServedModel(_answer(model, transformed, target, inputs), transformed.output, inputs).save(str(folder))
    label = None if target.head.task == "generation" else LABEL
    data = Data([transformed.files], transformed.output, inputs, target, label, 64)
    batch = next(iter(data.part(None).in_order()))[0]
    write_beside(str(folder), transformed.output, inputs, texts, batch)
    return Export(folder, Loaded(folder))


def _answer(model, transformed, target, inputs):
    if target.head.task != "generation":
        return ClassAnswer(model, target.classes)
    if inputs.tokens:
        return TokenAnswer(model, read_vocabulary(transformed.output, "text"), "characters")
    return SeriesAnswer(model, inputs, read_scaling(transformed.output, inputs.numbers))


def classes(*names: str) -> Target:
    return Target(Head("multiclass", len(names)) if len(names) > 2 else Head("binary"), names)


def tokens(transformed: Transformed) -> Target:
    return Target(Head("generation", next(iter(read_inputs(transformed.output, LABEL).tokens.values()))))

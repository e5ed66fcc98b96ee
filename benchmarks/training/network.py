"""A shape in the words of the Trainer."""

from benchmarks.training.shapes import EMBEDDING, Shape
from components.trainer.inputs import Inputs
from components.trainer.model import Head
from pipeline.config import Model


def model_of(shape: Shape) -> Model:
    """The model section of a configuration."""
    return Model(units=(shape.units,), dropout=0.0, embedding=EMBEDDING)


def inputs_of(shape: Shape) -> Inputs:
    """The features: `f00` and so on, or `text`."""
    numbers = tuple(f"f{place:02}" for place in range(shape.numbers))
    return Inputs(numbers, {"text": shape.tokens} if shape.tokens else {})


def head_of(shape: Shape) -> Head:
    """What the model answers."""
    return Head(shape.task, shape.size)

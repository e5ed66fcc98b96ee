"""What is trained: the shapes, and random sequences of them. Needs NumPy alone: PyTorch reads it too."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH = 64
LEARNING_RATE = 0.001
CLIP_NORM = 1.0
EMBEDDING = 64
_SEED = 1


@dataclass(frozen=True)
class Shape:
    """A model and its data.

    Attributes:
      name: what the table calls it.
      task: `binary`, `multiclass`, `regression` or `generation`.
      steps: of the longest sequence.
      shortest: steps of the shortest one; lengths are drawn uniformly.
      numbers: at each step; 0 where the steps are tokens.
      tokens: size of the vocabulary, padding and unknown included; 0 where the steps are numbers.
      units: of the GRU.
      size: numbers the head gives.
      sequences: in an epoch; full batches.
    """

    name: str
    task: str
    steps: int
    shortest: int
    numbers: int
    tokens: int
    units: int
    size: int
    sequences: int

    @property
    def is_ragged(self) -> bool:
        """Whether the sequences differ in length."""
        return self.shortest < self.steps


SHAPES = (
    Shape("10 steps x 5, 16 units", "multiclass", 10, 10, 5, 0, 16, 3, 1280 * BATCH),
    Shape("7-29 steps x 12, 64 units", "multiclass", 29, 7, 12, 0, 64, 9, 384 * BATCH),
    Shape("100 steps x 8, 64 units", "regression", 100, 100, 8, 0, 64, 1, 112 * BATCH),
    Shape("50-256 of 20,000 words, 64 units", "binary", 256, 50, 0, 20_000, 64, 1, 32 * BATCH),
    Shape("100 of 65 characters, 256 units", "generation", 100, 100, 0, 65, 256, 65, 16 * BATCH),
)


@dataclass(frozen=True)
class Sequences:
    """N sequences, padded with 0 at the end.

    Attributes:
      lengths: [N] steps.
      steps: [N, steps, numbers] float32, or [N, steps] int32 tokens.
      labels: [N] class id, or number; of generation empty.
    """

    lengths: npt.NDArray[np.int64]
    steps: npt.NDArray[Any]
    labels: npt.NDArray[Any]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """[N, steps] False where a step is padding."""
        real: npt.NDArray[np.bool_] = np.arange(self.steps.shape[1]) < self.lengths[:, np.newaxis]
        return real


def draw(shape: Shape) -> Sequences:
    """Random sequences, always the same of one shape."""
    random, count = np.random.default_rng(_SEED), shape.sequences
    lengths = random.integers(shape.shortest, shape.steps + 1, count)
    real = np.arange(shape.steps) < lengths[:, np.newaxis]
    if shape.tokens:
        steps = np.where(real, random.integers(2, shape.tokens, real.shape), 0).astype(np.int32)
    else:
        numbers = random.normal(size=(*real.shape, shape.numbers))
        steps = np.where(real[..., np.newaxis], numbers, 0).astype(np.float32)
    if shape.task == "generation":
        labels: npt.NDArray[Any] = np.zeros(0, np.int64)
    elif shape.task == "regression":
        labels = random.normal(size=count).astype(np.float32)
    else:
        labels = random.integers(0, max(2, shape.size), count)
    return Sequences(lengths, steps, labels)

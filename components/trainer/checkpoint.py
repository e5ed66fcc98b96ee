"""The state of a training that a killed run left, so that the next one goes on from its last epoch."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

Weights = list[npt.NDArray[Any]]

_DIGEST_BYTES = 32  # SHA-256 of what follows, at the beginning of the file


@dataclass
class State:
    """How far a training has come.

    Attributes:
      epochs: metrics of each epoch so far, its learning rate and, not of earlier versions, its seconds.
      best_epoch: number of the epoch with the lowest validation loss, from 0; -1 before the first.
      learning_rate: of the next epoch.
      best: the model's weights after the best epoch.
      variables: of model and optimizer after the last epoch.
    """

    learning_rate: float
    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best: Weights = field(default_factory=list)
    variables: Weights = field(default_factory=list)


def variables(model: keras.Model) -> list[Any]:
    """Everything that changes from step to step: weights, random states, and the optimizer's."""
    return [*model.variables, *model.optimizer.variables]


class Checkpoint:
    """One file, replaced after each epoch and deleted when the model has been exported.

    Args:
      folder: where it is kept, outside of what the failed stage's removal takes with it.
      depends_on: what has to be the same for a state to be of use.
    """

    def __init__(self, folder: str, *depends_on: Any) -> None:
        self._folder = folder
        digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode())
        self._path = f"{folder}/{digest.hexdigest()[:24]}.state"
        self._unfinished = f"{self._path}.unfinished"

    def read(self) -> State | None:
        """The state that was left; None where there is none, or what is there is damaged."""
        if not tf.io.gfile.exists(self._path):
            return None
        with tf.io.gfile.GFile(self._path, "rb") as file:
            digest, content = file.read(_DIGEST_BYTES), file.read()
        if hashlib.sha256(content).digest() != digest:
            return None
        found = np.load(io.BytesIO(content), allow_pickle=False)
        told = json.loads(str(found["state"]))
        arrays = [found[f"array_{place}"] for place in range(told.pop("arrays"))]
        best = told.pop("best")
        return State(**told, best=arrays[:best], variables=arrays[best:])

    def write(self, state: State) -> None:
        """Replaces the state; a kill in between leaves the one before."""
        arrays = [*state.best, *state.variables]
        told = {
            "learning_rate": state.learning_rate,
            "epochs": state.epochs,
            "best_epoch": state.best_epoch,
            "best": len(state.best),
            "arrays": len(arrays),
        }
        content = io.BytesIO()
        numbered: dict[str, Any] = {f"array_{place}": array for place, array in enumerate(arrays)}
        np.savez(content, state=np.array(json.dumps(told)), **numbered)
        tf.io.gfile.makedirs(self._folder)
        with tf.io.gfile.GFile(self._unfinished, "wb") as file:
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.write(content.getvalue())
        tf.io.gfile.rename(self._unfinished, self._path, overwrite=True)

    def delete(self) -> None:
        """Forgets the state, and those that trainings given up have left."""
        if tf.io.gfile.exists(self._folder):
            tf.io.gfile.rmtree(self._folder)

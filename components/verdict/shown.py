"""What the answers on a split look like, beyond what numbers say: curves, and some of the answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from components.trainer.metrics import curves
from components.trainer.metrics.curves import CURVES, Curve
from components.trainer.metrics.packing import unpacked
from components.trainer.metrics.regression import PREDICTIONS
from components.verdict.tables import rows_of

TABLES = (CURVES, PREDICTIONS)  # names of the metrics that it is read from


@dataclass(frozen=True)
class Shown:
    """Of one task, so that the rest is empty.

    Attributes:
      curves: of classifiers: of the positive class, or of up to 20 classes.
      predictions: of regressions: label and prediction of up to 1,000 sequences, ascending, [n, 2].
    """

    curves: Mapping[str, Curve] = field(default_factory=dict)
    predictions: npt.NDArray[np.float64] | None = None

    def as_json(self, sequences: int) -> dict[str, Any]:
        """As it stands in evaluation.json.

        Args:
          sequences: of the split.
        """
        found: dict[str, Any] = {}
        if self.curves:
            found["curves"] = {name: curve.as_json() for name, curve in self.curves.items()}
        if self.predictions is not None:
            found["predictions"] = {"sequences": sequences, "points": self.predictions.tolist()}
        return found


def read(values: Mapping[str, Any]) -> Shown:
    """Reads the tables among the values of a slice's metrics."""
    found = curves.read(rows_of(values[CURVES])) if CURVES in values else {}
    return Shown(found, _predictions(rows_of(values[PREDICTIONS])) if PREDICTIONS in values else None)


def _predictions(rows: list[list[str]]) -> npt.NDArray[np.float64]:
    pairs = unpacked(rows[0][0], 2)
    ordered: npt.NDArray[np.float64] = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return ordered

"""What the answers on a split look like, beyond what numbers say: curves, and some of the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from components.trainer.metrics import curves
from components.trainer.metrics.curves import CURVES, Curve
from components.trainer.metrics.generation import CONTINUATIONS, SHOWN_TOKENS, TEXTS
from components.trainer.metrics.packing import unpacked
from components.trainer.metrics.regression import PREDICTIONS
from components.transform.tokens import FIRST_TOKEN
from components.verdict.tables import rows_of

TABLES = (CURVES, PREDICTIONS, CONTINUATIONS)  # names of the metrics that it is read from

_UNKNOWN = "<unknown>"


@dataclass(frozen=True)
class Words:
    """What the ids of tokens stand for.

    Attributes:
      tokens: texts, the first with the id `FIRST_TOKEN`.
      between: what stands between two of them.
    """

    tokens: Sequence[str]
    between: str

    def text(self, ids: npt.NDArray[np.int64]) -> str:
        """Ids as text, without padding."""
        texts = [self.tokens[one - FIRST_TOKEN] if one >= FIRST_TOKEN else _UNKNOWN for one in ids if one]
        return self.between.join(texts)


@dataclass(frozen=True)
class Shown:
    """Of one task, so that the rest is empty.

    Attributes:
      curves: of classifiers: of the positive class, or of up to 20 classes.
      predictions: of regressions: label and prediction of up to 1,000 sequences, ascending, [n, 2].
      continuations: of tokens: ids of prompt, continuation and reference, [n, 3, 50] with 0 as padding.
    """

    curves: Mapping[str, Curve] = field(default_factory=dict)
    predictions: npt.NDArray[np.float64] | None = None
    continuations: npt.NDArray[np.int64] | None = None

    def as_json(self, sequences: int, words: Words | None = None) -> dict[str, Any]:
        """As it stands in evaluation.json.

        Args:
          sequences: of the split.
          words: what the ids of continuations stand for; without these they are left out.
        """
        found: dict[str, Any] = {}
        if self.curves:
            found["curves"] = {name: curve.as_json() for name, curve in self.curves.items()}
        if self.predictions is not None:
            found["predictions"] = {"sequences": sequences, "points": self.predictions.tolist()}
        if self.continuations is not None and words is not None:
            found["continuations"] = [
                dict(zip(TEXTS, map(words.text, texts), strict=True)) for texts in self.continuations
            ]
        return found


def read(values: Mapping[str, Any]) -> Shown:
    """Reads the tables among the values of a slice's metrics."""
    return Shown(
        curves.read(rows_of(values[CURVES])) if CURVES in values else {},
        _predictions(values[PREDICTIONS]) if PREDICTIONS in values else None,
        _continuations(values[CONTINUATIONS]) if CONTINUATIONS in values else None,
    )


def _continuations(value: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    ids = unpacked(rows_of(value)[0][0], len(TEXTS) * SHOWN_TOKENS)
    return ids.astype(np.int64).reshape(-1, len(TEXTS), SHOWN_TOKENS)


def _predictions(value: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    pairs = unpacked(rows_of(value)[0][0], 2)
    ordered: npt.NDArray[np.float64] = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return ordered

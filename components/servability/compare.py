"""How far answers are from the trainer's."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

TOLERANCE = 1e-5  # of the unit of an output, such as a standard deviation of the label
_ROUNDING = 2e-6  # of the value itself: some steps of float32
_TIE = 1e-4  # between the two likeliest classes: closer ones may change places by rounding

Answers = Mapping[str, npt.NDArray[Any]]
Units = Mapping[str, Any]  # of an output: a number, or one for each of its last dimension; 1 where absent


def differences(
    found: Answers, expected: Answers, units: Units | None = None, *, texts: bool = False
) -> str | None:
    """What is wrong with answers, in words; None where nothing is.

    Numbers must be equal to `TOLERANCE` of their unit and the rounding of float32. Texts must be equal
    where the numbers decide them: the label of a row whose two likeliest classes are no tie, and all of
    them where `texts` says so.

    Args:
      found: the answers, arrays [batch, …].
      expected: what they should be.
      units: see `Units`.
      texts: whether every text must be equal.
    """
    if missing := set(expected) - set(found):
        return f"no {', '.join(sorted(missing))} in the answer"
    for name, wanted in expected.items():
        given = found[name]
        if given.shape != wanted.shape and wanted.size + given.size:
            return f"{name} has the shape {list(given.shape)} instead of {list(wanted.shape)}"
        if not wanted.size:
            continue
        if (
            wrong := _text(name, found, expected, texts)
            if given.dtype == np.object_
            else _number(given, wanted, (units or {}).get(name, 1.0))
        ):
            return f"{name} {wrong}"
    return None


def _number(given: npt.NDArray[Any], wanted: npt.NDArray[Any], unit: Any) -> str | None:
    away = np.abs(given.astype(np.float64) - wanted)
    allowed = TOLERANCE * np.abs(np.asarray(unit)) + _ROUNDING * np.abs(wanted)
    if not (away <= allowed).all():  # which NaN is not
        row = int(np.flatnonzero(~(away <= allowed).reshape(len(away), -1).all(axis=1))[0])
        return f"of row {row} is {_shown(given[row])} instead of {_shown(wanted[row])}"
    return None


def _text(name: str, found: Answers, expected: Answers, every: bool) -> str | None:
    given, wanted = found[name], expected[name]
    differ = given != wanted
    if not every:
        if name != "label" or "probabilities" not in expected:
            differ &= name == "classes"
        else:
            best = np.sort(expected["probabilities"], axis=1)
            differ &= best[:, -1] - best[:, -2] > _TIE
    if not differ.any():
        return None
    row = int(np.flatnonzero(differ.reshape(len(differ), -1).any(axis=1))[0])
    return f"of row {row} is {given[row]!r} instead of {wanted[row]!r}"


def not_finite(found: Answers) -> list[str]:
    """The outputs that hold values that are no finite numbers."""
    return sorted(name for name, one in found.items() if one.dtype.kind == "f" and not np.isfinite(one).all())


def rows_of(answers: Answers, rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Some rows of answers."""
    return {name: one[rows] for name, one in answers.items()}


def _shown(row: npt.NDArray[Any]) -> str:
    return np.array2string(row, precision=6, threshold=6)

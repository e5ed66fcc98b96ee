"""Collects what is wrong with a source: the first problems in words, the rest as a count."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataRefused

SHOWN = 20


class Problems:
    """What could not be read; raised once, with everything that was found."""

    def __init__(self) -> None:
        self._shown: list[str] = []
        self._total = 0
        self._covered = 0  # places that a problem in words stands for, beside its first

    def add(self, at: npt.NDArray[np.bool_], describe: Callable[[int], str]) -> None:
        """Adds a problem for every position where a mask is true; only the shown ones are described."""
        positions = np.flatnonzero(at)
        self._shown += [describe(int(position)) for position in positions[: max(0, SHOWN - len(self._shown))]]
        self._total += len(positions)

    def note(self, problem: str, places: int) -> None:
        """Adds one problem that covers many places."""
        self._shown.append(problem)
        self._total += places
        self._covered += places - 1

    def refuse(self, summary: str) -> None:
        """Raises DataRefused if there is any problem; `{}` in the summary becomes their number."""
        if not self._total:
            return
        more = self._total - self._covered - len(self._shown)
        problems = [*self._shown, f"… and {more:,} more"] if more else self._shown
        raise DataRefused(summary.format(f"{self._total:,}"), problems)

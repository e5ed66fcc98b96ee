"""What a planting is: a defect of one kind, at several strengths, and who may report it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.leaks.splits import Splits
from pipeline.config import Config


class DoesNotApply(Exception):
    """A data set cannot have this defect; the message says why."""


@dataclass(frozen=True)
class Planting:
    """One way to plant one defect.

    Attributes:
      check: the check that should find it.
      how: what is planted, in words; empty where the check's name says it.
      plant: clean splits, a strength and random numbers in; splits with the defect out. Raises
        DoesNotApply.
      strengths: words to value, the hardly detectable one first, the obvious one last.
      severity: what the obvious one should be reported as, at least: error or warning.
      also: other checks that may report an error too, for the same fact is theirs as well.
      in_windows: check that may report it instead in windows, whose steps lie before their label.
    """

    check: str
    how: str
    plant: Callable[[Splits, Any, np.random.Generator], Splits]
    strengths: Mapping[str, Any]
    severity: str
    also: tuple[str, ...] = ()
    in_windows: str = ""

    @property
    def name(self) -> str:
        """The check, and how it is planted where there are several ways."""
        return f"{self.check}: {self.how}" if self.how else self.check

    @property
    def ends(self) -> tuple[str, str]:
        """The smallest and the obvious strength."""
        order = list(self.strengths)
        return order[0], order[-1]

    def names(self, config: Config) -> tuple[str, ...]:
        """The checks that may report it in a data set."""
        return (self.check, self.in_windows) if self.in_windows and config.data.window else (self.check,)


def some_rows(count: int, share: float, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Rows to change: a share of them below 1, otherwise so many; at least one, in rising order.

    Raises:
      DoesNotApply: there are not so many.
    """
    wanted = max(1, round(share * count)) if share < 1 else int(share)
    if wanted > count:
        raise DoesNotApply(f"{wanted} rows are wanted and there are {count}")
    return np.sort(random.choice(count, wanted, replace=False))


ALL = 0.9999999  # as a share: every row
PLANTED = "planted"  # what a feature is called that no clean data set has

"""Counts of repetitions with the exact interval of their rate, and tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats


@dataclass(frozen=True)
class Share:
    """How many of all repetitions something happened in.

    Attributes:
      count: of those it happened in.
      total: of all, at least one.
    """

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of the rate, of SciPy: the gate's own formula is not asked about itself."""
        found = stats.binomtest(self.count, self.total).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count:,} of {self.total:,}: {self.count / self.total:.1%} [{low:.1%}, {high:.1%}]"


def ranked(counts: Counter[Any]) -> list[tuple[Any, int]]:
    """What was counted, the most frequent first; of equally frequent ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def shown(*, holds: bool) -> str:
    """How a requirement ended."""
    return "PASS" if holds else "FAIL"

"""Collects what is wrong with a source: the first problems in words, the rest as a count."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataRefused

SHOWN = 20
_FILE_SHIFT = 40  # a position is the number of the file, then 40 bits for the row in it

_AND = "; "

Rows = npt.NDArray[np.int64]


def positions(file: int, rows: Any) -> Any:
    """Positions of one or an array of rows of a file among all rows: in the order of files, then of rows."""
    return rows + (file << _FILE_SHIFT)


def file_of(position: Any) -> Any:
    """The number of the file a position lies in, for one or an array of them."""
    return position >> _FILE_SHIFT


def row_of(position: Any) -> Any:
    """The row within its file, from 0, for one or an array of positions."""
    return position & ((1 << _FILE_SHIFT) - 1)


@dataclass
class Report:
    """What a part of the source came to.

    Attributes:
      rows: rows read.
      left_out: rows with a problem; they are left out where bad rows are skipped.
      problems: number of problems of rows.
      shown: the first of them by position: (position, text).
      fatal: what cannot be skipped, in words.
      fatal_count: number of such problems, where `fatal` names only the first.
    """

    rows: int = 0
    left_out: int = 0
    problems: int = 0
    shown: list[tuple[int, str]] = field(default_factory=list)
    fatal: list[str] = field(default_factory=list)
    fatal_count: int = 0

    def note_fatal(self, text: str) -> None:
        """Adds one problem that no skipping of rows mends."""
        self.fatal_count += 1
        self.fatal = sorted([*self.fatal, text])[:SHOWN]

    def add(
        self, at: npt.NDArray[np.bool_], where: Rows, describe: Callable[[int], str], *, fatal: bool = False
    ) -> None:
        """Adds a problem for every place where a mask is true; only the first ones are described.

        Args:
          at: [N], true where something is wrong.
          where: [N] positions.
          describe: from a place to the problem in words.
          fatal: whether skipping the row would not mend it.
        """
        places = np.flatnonzero(at)
        if fatal:
            self.fatal_count += len(places)
        else:
            self.problems += len(places)
        first = places[np.argsort(where[places], kind="stable")[:SHOWN]]
        self.shown += [(int(where[place]), describe(int(place))) for place in first]
        self.shown = sorted(self.shown)[:SHOWN]

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return dict(vars(self))


def merge(reports: Iterable[Mapping[str, Any]]) -> Report:
    """The reports of all parts as one; the same in whatever order they come."""
    merged = Report()
    for report in reports:
        merged.rows += report["rows"]
        merged.left_out += report["left_out"]
        merged.problems += report["problems"]
        merged.fatal_count += report["fatal_count"]
        merged.shown += [(position, text) for position, text in report["shown"]]
        merged.fatal += report["fatal"]
    merged.shown = sorted(merged.shown)[:SHOWN]
    merged.fatal = sorted(set(merged.fatal))[:SHOWN]
    return merged


def one_line(refused: DataRefused) -> str:
    """A refusal on one line, as it travels from a worker."""
    return _AND.join([refused.summary, *refused.problems])


def refusal(line: str) -> DataRefused:
    """What `one_line` wrote, as it was said."""
    summary, _, rest = line.partition(_AND)
    return DataRefused(summary, [rest] if rest else [])


def with_more(problems: list[str], total: int) -> list[str]:
    """The problems shown, and how many more there are."""
    more = total - len(problems)
    return [*problems, f"… and {more:,} more"] if more > 0 else problems

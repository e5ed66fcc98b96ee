"""What a page is made of: sections of blocks, which say what to show and not how."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from markupsafe import Markup

from pipeline.report.source import Number

GOOD, BAD, WARN, PLAIN = "good", "bad", "warn", "plain"  # tones


@dataclass(frozen=True)
class Count:
    """A whole number: of sequences, steps, times."""

    number: Number


@dataclass(frozen=True)
class Percent:
    """A share of 1, with a bar as long."""

    number: Number


@dataclass(frozen=True)
class Interval:
    """A value in its interval, against its bound, all on an axis from `low` to `high`."""

    value: Number
    lower: Number
    upper: Number
    bound: Number
    low: float
    high: float
    passed: bool = True

    def at(self, number: Number) -> str:
        """Where a number lies on the axis, from 0 to 100."""
        with np.errstate(all="ignore"):  # ends may be as large as numbers get
            share = np.float64(number.known / 2 - self.low / 2) / ((self.high / 2 - self.low / 2) or 1.0)
        return f"{100 * min(max(float(share), 0.0), 1.0):.1f}"


@dataclass(frozen=True)
class Heat:
    """A count in a confusion matrix, and its share of the row, which is how strong it is coloured."""

    number: Number
    share: float
    hit: bool


@dataclass(frozen=True)
class Mark:
    """A word with a tone, such as `failed`."""

    text: str
    tone: str


@dataclass(frozen=True)
class Reason:
    """A sentence in a table."""

    text: str


Cell: TypeAlias = Number | Count | Percent | Interval | Heat | Mark | Reason | str | None


@dataclass(frozen=True)
class Table:
    """A table that can be sorted; of many rows the first are shown at first.

    Attributes:
      caption: what it shows.
      columns: names; of one that can be misread, name and explanation; None where there is nothing to say.
      rows: a cell for each column.
      shown: rows that are shown before somebody asks for all.
      head: whether the first cell of a row names it.
    """

    caption: str
    columns: Sequence[str | tuple[str, str] | None]
    rows: Sequence[Sequence[Cell]]
    shown: int = 20
    head: bool = True


@dataclass(frozen=True)
class Plot:
    """A picture, with words below it."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    items: Sequence[tuple[str, Cell]]


@dataclass(frozen=True)
class Notice:
    """Something that was found, what it is about, and what to do.

    Attributes:
      tone: how bad it is.
      title: the name of it.
      text: what it is, in a sentence.
      examples: such as ids.
      count: how many of these there are.
      remedy: what to do next.
      lines: what belongs to it, a line each.
    """

    tone: str
    title: str
    text: str
    examples: Sequence[str] = ()
    count: Number | None = None
    remedy: str = ""
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Samples:
    """Texts beside each other: what was given, what the model went on with, what really followed."""

    rows: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Folded:
    """Blocks, or text as it is, behind a heading that opens."""

    title: str
    blocks: Sequence["Block"] = ()
    code: str = ""


Block: TypeAlias = Table | Plot | Text | Facts | Notice | Samples | Folded


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
      name: of its link.
      title: of it.
      blocks: what it shows; none: it is left out.
    """

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)

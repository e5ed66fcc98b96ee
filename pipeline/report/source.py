"""A run's JSON files, and the numbers in them, each with the place it came from."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import record, run_lock
from pipeline.figures import figure

EMPTY = '""'  # what is shown of a text that has no character
FILES = (record.VALIDATION, record.STATISTICS, record.EVALUATION, record.VERDICT, record.SERVABILITY)


@dataclass(frozen=True)
class Number:
    """A number that stands in a run's file.

    Attributes:
      value: of it; None where the file says null, or nothing.
      place: the file and the JSON pointer in it (RFC 6901), such as `evaluation.json#/slices/0/examples`;
        empty where the number was computed for the page.
    """

    value: float | int | None
    place: str = ""

    @property
    def known(self) -> float:
        """The value; NaN where there is none."""
        return math.nan if self.value is None else float(self.value)

    @property
    def said(self) -> str:
        """The value in words; a dash where there is none."""
        return "–" if self.value is None else figure(self.value)


@dataclass(frozen=True)
class Source:
    """A value in a JSON file; what is below it can be asked for whether it is there or not."""

    value: Any
    place: str

    def at(self, *keys: str | int) -> "Source":
        """What stands below this value; None where nothing does."""
        value, place = self.value, self.place
        for key in keys:
            value = _below(value, key)
            place += "/" + str(key).replace("~", "~0").replace("/", "~1")
        return Source(value, place)

    def number(self, *keys: str | int) -> Number:
        """The number there; None where there is none, or one that is not finite."""
        found = self.at(*keys)
        is_number = isinstance(found.value, (int, float)) and not isinstance(found.value, bool)
        return Number(found.value if is_number and math.isfinite(found.value) else None, found.place)

    def each(self, *keys: str | int) -> Iterator["Source"]:
        """The values of the list there."""
        found = self.at(*keys)
        for place in range(len(found.value or ())):
            yield found.at(place)

    def items(self, *keys: str | int) -> Iterator[tuple[str, "Source"]]:
        """The names and values of the object there."""
        found = self.at(*keys)
        for name in found.value or {}:
            yield name, found.at(name)

    def __bool__(self) -> bool:
        return bool(self.value)


def _below(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


@dataclass(frozen=True)
class RunFiles:
    """The JSON files of one run; of a file that is not there the value is None.

    Attributes:
      run: run.json.
      others: file name to content.
      folder: stands before the file names where two runs are on one page.
    """

    run: dict[str, Any]
    others: dict[str, dict[str, Any] | None]
    folder: str = ""

    @classmethod
    def read(cls, folder: Path, *, among: bool = False) -> "RunFiles":
        """Reads a run's folder.

        Args:
          folder: of the run.
          among: whether another run is on the page.

        Raises:
          ConfigError: a file is not valid JSON.
        """
        others = {name: record.read(folder, name) for name in FILES}
        return cls(run_lock.outcome(folder), others, f"{folder.parent.name}/{folder.name}/" if among else "")

    def __getitem__(self, name: str) -> Source:
        """A file by its name."""
        return Source(self.run if name == record.RUN else self.others.get(name), f"{self.folder}{name}#")


def slice_name(where: Mapping[str, str]) -> str:
    """A slice in words, whole: those of `slice_text` are short, and two slices may have the same ones."""
    return ", ".join(f"{feature}={value or EMPTY}" for feature, value in where.items()) or "overall"


def slice_key(where: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """A slice, as one can look it up."""
    return tuple(where.items())

"""Guesses how a file is written: its format, and the dialect where that is CSV."""

import codecs
import csv
import io
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.ingest.layout import READERS
from components.ingest.packed import open_unpacked
from pipeline.config import Data, format_of
from pipeline.errors import DataRefused

_START_BYTES = 4 << 20
_PARSED_ROWS = 1_000
_RARE_IN_NUMBERS = ("tab", ";", "|", ",", "whitespace")  # tried in this order
_NEARLY_ALL = 0.9
_TFRECORD_LONGEST = 1 << 32  # text read as a record's length gives far larger numbers
_VALUE = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|\d{4}-\d{2}-\d{2}.*|[+-]?(nan|inf)"

Value = str | bool | tuple[str, ...] | Mapping[str, Any]


@dataclass(frozen=True)
class Guess:
    """A key of the configuration, and why it has its value.

    Attributes:
      key: the key with its section, such as `data.label`.
      value: None where the key is left out.
      why: the reason in words.
      question: what could not be told, in words; empty where nothing is open.
    """

    key: str
    value: Value | None
    why: str = ""
    question: str = ""


def guess_format(path: str) -> tuple[str, list[Guess], list[str]]:
    """Guesses how a file is written.

    Returns:
      Its format; the keys of `data` that say how it is read, where defaults do not do; and columns
      that number its rows.

    Raises:
      DataRefused: the content is neither text nor a known format.
    """
    named = format_of(path)
    kind, why = (named, "") if named else _format_by_content(path)
    found = [] if named else [Guess("data.format", kind, f"the name does not tell; {why}")]
    row_names: list[str] = []
    if kind == "csv":
        dialect, row_names = _guess_dialect(path)
        found += dialect
    if kind == "tfrecord" and _holds_feature_lists(path):
        found.append(Guess("data.payload", "sequence_example", "the records have feature lists"))
    return kind, found, row_names


def _start(path: str) -> bytes:
    """The first bytes of a file, unpacked."""
    try:
        with open_unpacked(path) as content:
            return content.read(_START_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataRefused(f"{path}: cannot be unpacked", [str(error)]) from error


def _format_by_content(path: str) -> tuple[str, str]:
    start = _start(path)
    if not start:
        raise DataRefused(f"{path}: the file is empty")
    if start[:4] == b"PAR1":
        return "parquet", "it begins with PAR1"
    if any(line.strip().lower() == b"@data" for line in start.splitlines()):
        return "ts", "it has a line @data"
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError as error:
        text, reason = "", str(error)
    else:
        reason = "it holds zero bytes"
    if text and "\0" not in text:
        fits = _delimiter(text, complete=len(start) < _START_BYTES) is not None
        return ("csv", "its lines divide into cells") if fits else ("text", "its lines have no cells")
    if int.from_bytes(start[:8], "little") < _TFRECORD_LONGEST:
        return "tfrecord", "it begins with the length of a record"
    raise DataRefused(
        f"{path}: expected UTF-8 text, Parquet or TFRecord", [f"{reason}; save it as one of them"]
    )


def _holds_feature_lists(path: str) -> bool:
    try:
        READERS["tfrecord"].sample(path, Data(source=(path,), payload="sequence_example"))
    except DataRefused:
        return False
    return True


def _guess_dialect(path: str) -> tuple[list[Guess], list[str]]:
    start = _start(path)
    text, complete = start.decode("utf-8-sig", errors="replace"), len(start) < _START_BYTES
    default = "tab" if path.removesuffix(".gz").endswith(".tsv") else ","
    found = []
    delimiter = _delimiter(text, complete=complete) or default
    if delimiter != default:
        found.append(
            Guess("data.delimiter", delimiter, f"it divides {_NEARLY_ALL:.0%} of the lines or more alike")
        )
    loose = delimiter not in (",", "whitespace") and _has_loose_quotes(text, delimiter, complete=complete)
    if loose:
        found.append(
            Guess("data.quoted", False, "quotation marks do not come in pairs: they are part of the cells")
        )
    names, row_names = _guess_names(_cells(text, delimiter, quoted=not loose, complete=complete))
    return found + names, row_names


def _cells(text: str, delimiter: str, *, quoted: bool, complete: bool) -> list[list[str]]:
    """The first rows, without the last where it may be cut off."""
    lines = io.StringIO(text, newline="")
    try:
        if delimiter == "whitespace":
            found = [line.split() for line in itertools.islice(lines, _PARSED_ROWS + 1)]
        else:
            quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
            one = "\t" if delimiter == "tab" else delimiter
            found = list(
                itertools.islice(csv.reader(lines, delimiter=one, quoting=quoting), _PARSED_ROWS + 1)
            )
    except csv.Error:
        return []
    whole = found if complete and len(found) <= _PARSED_ROWS else found[:-1]
    return [row for row in whole if row]


def _usual_width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The number of cells that most rows have, and the share of these rows."""
    if not rows:
        return 0, 0.0
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return width, count / len(rows)


def _delimiter(text: str, *, complete: bool) -> str | None:
    for delimiter in _RARE_IN_NUMBERS:
        for quoted in (True, False):
            width, share = _usual_width(_cells(text, delimiter, quoted=quoted, complete=complete))
            if width > 1 and share >= _NEARLY_ALL:
                return delimiter
    return None


def _has_loose_quotes(text: str, delimiter: str, *, complete: bool) -> bool:
    """Whether lines are whole rows although their quotation marks do not balance."""
    one = "\t" if delimiter == "tab" else delimiter
    lines = [line for line in (text if complete else text.rpartition("\n")[0]).split("\n") if line.strip()]
    width, share = _usual_width([line.split(one) for line in lines])
    return width > 1 and share >= _NEARLY_ALL and any(line.count('"') % 2 for line in lines)


def _guess_names(rows: list[list[str]]) -> tuple[list[Guess], list[str]]:
    """Keys that say what the columns are called, none where the first line does; and the row numbers."""
    if len(rows) < 2:
        return [], []
    names, rest = [cell.strip() for cell in rows[0]], rows[1:]
    width, _ = _usual_width(rest)
    if not _is_header(names, [row for row in rest if len(row) == width]):
        made_up = tuple(f"column_{place}" for place in range(1, width + 1))
        why = "the first line holds values: give the columns better names"
        return [Guess("data.columns", made_up, why)], []
    row_names: list[str] = []
    if len(names) < width or not names[0]:
        row_names = [_free("row", names)]
        names, why = (
            [*row_names, *names[len(names) - width + 1 :]],
            "the header has no name for the first cell",
        )
    elif len(set(names)) < len(names):
        names = [_free(name, names[:place]) for place, name in enumerate(names)]
        why = "the header has a name twice"
    else:
        return [], []
    header = Guess("data.header", True, "so that the first line is left out")
    return [Guess("data.columns", tuple(names), why), header], row_names


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _is_header(names: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a first line holds names: it has no number, and looks unlike the lines after it."""
    if not rest or any(re.fullmatch(_VALUE, name, re.IGNORECASE) for name in names):
        return False
    if len(names) != len(rest[0]):
        return len(names) == len(rest[0]) - 1
    columns = [[row[place].strip() for row in rest] for place in range(len(names))]
    for column in columns:
        if sum(bool(re.fullmatch(_VALUE, cell, re.IGNORECASE)) for cell in column) > len(column) / 2:
            return True
    short = all(len(name) <= 40 and name.count(" ") <= 3 for name in names)
    return short and not any(name in column for name, column in zip(names, columns, strict=True))

"""Reads CSV and what is like it: one row a line, cells between delimiters, in blocks."""

import csv as python_csv
import io
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv

from components.ingest.packed import open_gzip
from components.ingest.piece import SAMPLED_ROWS, Piece
from components.ingest.problems import SHOWN
from pipeline import locations
from pipeline.config import Data
from pipeline.errors import DataRefused

_BLOCK_BYTES = 16 << 20  # also the longest row that can be read
_ALL_LINES = 2**31 - 1
_DELIMITERS = {"tab": "\t", "whitespace": "\t"}  # runs of blanks become tabs before they are read


def columns(path: str, data: Data) -> list[str]:
    """Names of the columns, from the configuration or the first line.

    Raises:
      DataRefused: the file is empty, names are missing, or given twice.
    """
    with _clear_errors(path):
        first = [cells for _, cells in _first_rows(path, data, 2)]
    if not first:
        raise DataRefused(f"{path}: expected {'a header and ' if _header(data) else ''}rows, got none")
    names = [name.strip() for name in first[0]] if data.columns is None else list(data.columns)
    cells = len(first[-1])
    if data.columns is not None and len(first) > int(_header(data)) and cells != len(names):
        raise DataRefused(
            f"{path}: data.columns has {len(names)} names, the first row {cells} cells",
            [f"the row begins with {', '.join(first[-1][:4])}; name every cell, from left to right"],
        )
    if data.columns is None and len(first) > 1 and cells > len(names):
        raise DataRefused(
            f"{path}: the header has {len(names)} names, the first row {cells} cells",
            [
                f"the row begins with {', '.join(first[1][:3])}; often the first cell is a row number "
                "without a name: give all names in data.columns, and header: true to leave the first line out"
            ],
        )
    _refuse_names(path, names, configured=data.columns is not None)
    return names


def sample(path: str, data: Data, rows: int = SAMPLED_ROWS) -> pa.Table:
    """The first rows, every cell as text; those with another number of cells are left out.

    Read by Python's csv: Arrow's stream goes on in the background when only its beginning is wanted.
    """
    names = columns(path, data)
    with _clear_errors(path):
        first = [cells for _, cells in itertools.islice(_lines(path, data), rows)]
    whole = [cells for cells in first if len(cells) == len(names)]
    if first and not whole:
        raise DataRefused(
            f"{path}: expected {len(names)} cells in a row, the first has {len(first[0])}",
            [f"it begins with {', '.join(first[0][:4])}"],
        )
    if not whole:
        raise DataRefused(f"{path}: expected rows after the header, got none")
    texts = [[cell or None for cell in column] for column in zip(*whole, strict=True)]
    return pa.table([pa.array(column, pa.string()) for column in texts], names=names)


def read(path: str, name: str, data: Data) -> Iterator[Piece]:
    """The rows in blocks, every cell as text; null where it is empty.

    Raises:
      DataRefused: the file cannot be read, for example for a truncated gzip.
    """
    wrong = _Misshapen()
    names, first, noted = columns(path, data), 0, 0
    empty = pa.table({name: pa.array([], pa.string()) for name in names})
    with _clear_errors(path):
        # The last rows of a file may all be misshapen: they come with an empty table.
        for table in itertools.chain(_tables(path, data, names, wrong.note), [empty]):
            count, texts = wrong.taken()
            yield Piece(table, first, name, misshapen=count, first_misshapen=noted, misshapen_texts=texts)
            first, noted = first + len(table), noted + count


class _Misshapen:
    """Counts rows that have another number of cells than there are columns, and describes the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._texts: list[str] = []

    def note(self, row: csv.InvalidRow) -> str:
        """Leaves a row out."""
        with self._lock:  # Arrow calls from its own threads
            self._count += 1
            if len(self._texts) < SHOWN:
                expected, got = row.expected_columns, row.actual_columns
                self._texts.append(f"expected {expected} cells, got {got}: {row.text[:80]!r}")
        return "skip"

    def taken(self) -> tuple[int, list[str]]:
        """How many there were since the last call, and what is wrong with the first of them."""
        with self._lock:
            count, texts = self._count, self._texts
            self._count, self._texts = 0, []
        return count, texts


def places(
    path: str, data: Data, rows: Sequence[int], misshapen: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Where rows stand, as an editor counts lines; blank lines and line breaks in quotes count.

    Args:
      path: the file.
      data: how it is read.
      rows: numbers of rows with the right number of cells, from 0.
      misshapen: numbers of rows with another number of cells, counted by themselves.
    """
    width = len(columns(path, data))
    wanted, wanted_wrong = set(rows), set(misshapen)
    lines: dict[int, int] = {}
    wrong_lines: dict[int, int] = {}
    right = wrong = 0
    # What ends the reading early is another problem than the one whose place is looked for.
    with suppress(DataRefused), _clear_errors(path):
        for number, cells in _lines(path, data):
            if len(cells) == width:
                if right in wanted:
                    lines[right] = number
                right += 1
            else:
                if wrong in wanted_wrong:
                    wrong_lines[wrong] = number
                wrong += 1
    return (
        [f"line {lines[row]}" if row in lines else f"row {row + 1}" for row in rows],
        [f"line {wrong_lines[row]}" if row in wrong_lines else "a row" for row in misshapen],
    )


def _header(data: Data) -> bool:
    return data.columns is None if data.header is None else data.header


def _header_lines(path: str, data: Data) -> int:
    """Lines up to the first row after the header; or none, without a header."""
    rows = _first_rows(path, data, 2)
    if not _header(data):
        return 0
    return rows[1][0] - 1 if len(rows) > 1 else _ALL_LINES


def _delimiter(path: str, data: Data) -> str:
    tabs = path.removesuffix(".gz").endswith(".tsv")
    return data.delimiter or ("tab" if tabs else ",")


def _tables(
    path: str, data: Data, names: list[str], on_misshapen: Callable[[csv.InvalidRow], str]
) -> Iterator[pa.Table]:
    delimiter = _delimiter(path, data)
    header_lines = _header_lines(path, data)
    parse = csv.ParseOptions(
        delimiter=_DELIMITERS.get(delimiter, delimiter),
        quote_char='"' if data.quoted and delimiter != "whitespace" else False,
        invalid_row_handler=on_misshapen,
        newlines_in_values=data.quoted and delimiter != "whitespace",
    )
    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, null_values=[""], strings_can_be_null=True
    )

    def reading(skip_rows: int) -> csv.ReadOptions:
        # One thread, for rows come in their order and the decoding is faster than what follows.
        return csv.ReadOptions(
            use_threads=False, block_size=_BLOCK_BYTES, column_names=names, skip_rows=skip_rows
        )

    if delimiter != "whitespace":
        # Arrow's stream stands still for ever where a Python file under it fails or is left half-read.
        with (
            locations.local_copy(path) as copy,
            csv.open_csv(copy, reading(header_lines), parse, convert) as reader,
        ):
            yield from (pa.Table.from_batches([batch]) for batch in reader)
        return
    # Arrow cannot stop reading a Python file half-way without waiting for itself: whole blocks.
    for block in _tabbed_blocks(path):
        yield csv.read_csv(pa.BufferReader(block), reading(header_lines), parse, convert)
        header_lines = 0


def _tabbed_blocks(path: str) -> Iterator[bytes]:
    """Whole lines, whose runs of blanks are tabs, without those at their ends."""
    with _open_bytes(path) as file:
        while lines := file.read(_BLOCK_BYTES // 2) + file.readline():
            tabbed = re.sub(rb"(?m)^\t|\t(?=\r?$)", b"", re.sub(rb"[ \t]+", b"\t", lines))
            if tabbed.strip():
                yield tabbed


def _open_bytes(path: str) -> IO[bytes]:
    return open_gzip(path) if path.endswith(".gz") else locations.open_bytes(path)


def _lines(path: str, data: Data) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row after the header; only for messages, it is slow."""
    delimiter = _delimiter(path, data)
    python_csv.field_size_limit(_BLOCK_BYTES)
    with io.TextIOWrapper(_open_bytes(path), "utf-8-sig", errors="replace", newline="") as file:
        rows: Iterator[tuple[int, list[str]]]
        if delimiter == "whitespace":
            rows = ((number, line.split()) for number, line in enumerate(file, 1))
        else:
            reader = python_csv.reader(
                file,
                delimiter=_DELIMITERS.get(delimiter, delimiter),
                quoting=python_csv.QUOTE_MINIMAL if data.quoted else python_csv.QUOTE_NONE,
            )
            rows = _from_first_line(reader)
        rows = ((number, cells) for number, cells in rows if cells)
        if _header(data):
            next(rows, None)
        yield from rows


def _from_first_line(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they begin in; a row may have several."""
    first = 1
    for cells in reader:
        yield first, cells
        first = reader.line_num + 1


def _first_rows(path: str, data: Data, count: int) -> list[tuple[int, list[str]]]:
    """Line and cells of the first rows, the header included."""
    if not locations.size(path):
        raise DataRefused(f"{path}: the file is empty")
    with locations.open_bytes(path) as file:
        start = file.read(2)
    if start == b"\x1f\x8b" and not path.endswith(".gz"):
        raise DataRefused(f"{path}: the content is gzip; name the file {path.rpartition('/')[2]}.gz")
    if start in (b"\xff\xfe", b"\xfe\xff"):
        raise DataRefused(f"{path}: expected UTF-8 text", ["the file is UTF-16; save it as UTF-8"])
    rows = _lines(path, data.model_copy(update={"header": False}))
    return list(itertools.islice(rows, count))


def _refuse_names(path: str, names: list[str], *, configured: bool) -> None:
    if any("\ufffd" in name for name in names):
        raise DataRefused(f"{path}: expected UTF-8 text", [f"got the header {', '.join(names)[:80]!r}"])
    where = f"{path}: columns" if not configured else "data.columns: names"
    if any(re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", name) for name in names) and not configured:
        raise DataRefused(
            f"{path}: the first line holds values, not names",
            [f"expected a header, got {', '.join(names[:4])}; give the names in data.columns"],
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataRefused(f"{where} occur twice", [f"{name!r}; rename one of them" for name in twice])


@contextmanager
def _clear_errors(path: str) -> Iterator[None]:
    """Says in words people know what could not be read."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: expected UTF-8 text", [str(error)]) from error
    except python_csv.Error as error:
        raise DataRefused(f"{path}: cannot be read as CSV", [str(error)]) from error
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        text = " ".join(str(error).split())
        if "invalid UTF8" in text:
            raise DataRefused(f"{path}: expected UTF-8 text", [text]) from error
        if "Empty CSV file" in text:
            text = "expected a header and rows, got none"
        if "straddling" in text:
            text = f"a row is longer than {_BLOCK_BYTES >> 20} MB, or a quote is never closed"
        raise DataRefused(f"{path}: cannot be read as CSV", [text]) from error

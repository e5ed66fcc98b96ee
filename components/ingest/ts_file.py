"""Reads the sktime/UEA text format (.ts): one case a line, dimensions between colons, label last.

The format is described at https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.packed import open_unpacked
from components.ingest.piece import SAMPLED_ROWS, Piece
from pipeline.config import Data
from pipeline.errors import DataRefused

TIME = "timestamps"  # column of the steps' times, where a file has them
_BLOCK_BYTES = 16 << 20
_SAMPLE_BYTES = 1 << 20
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?([nN]a[nN]|[iI]nf)$"


@dataclass(frozen=True)
class _Header:
    """What stands before @data.

    Attributes:
      lines: number of lines up to and including @data.
      dimensions: None where it is not declared.
      timestamps: whether every value has its time.
      labelled: whether a case ends in a label.
      classes: the labels there may be; empty where any is right.
    """

    lines: int
    dimensions: int | None
    timestamps: bool
    labelled: bool
    classes: tuple[str, ...]


def columns(path: str, data: Data) -> list[str]:
    """The dimensions, `dim_0` and so on; where the file has them the times and the label.

    Raises:
      DataRefused: no line @data, or no case after it.
    """
    return list(sample(path, data).column_names)


def sample(path: str, data: Data) -> pa.Table:
    """The first cases."""
    with _clear_errors(path), open_unpacked(path) as file:
        header = _read_header(path, file)
        for piece in _pieces(file, header, "", data.label or "label", _SAMPLE_BYTES):
            return piece.table.slice(0, SAMPLED_ROWS)
    raise DataRefused(f"{path}: expected at least one case after @data, got none")


def read(path: str, name: str, data: Data) -> Iterator[Piece]:
    """The cases in blocks; a value `?` is a missing one and becomes NaN.

    Ids are `<name>:<number of the case>`. The comments and the header may hold bytes that are not
    UTF-8.

    Raises:
      DataRefused: the file cannot be read.
    """
    with _clear_errors(path), open_unpacked(path) as file:
        header = _read_header(path, file)
        yield from _pieces(file, header, name, data.label or "label", _BLOCK_BYTES)


def places(
    path: str, data: Data, rows: Sequence[int], misshapen: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Lines of cases."""
    del data, misshapen
    wanted, lines, case = set(rows), {}, 0
    with _clear_errors(path), open_unpacked(path) as file:
        number = _read_header(path, file).lines
        for line in file:
            number += 1
            if line.strip():
                if case in wanted:
                    lines[case] = number
                case += 1
    return [f"line {lines[row]}" if row in lines else f"case {row + 1}" for row in rows], []


@contextmanager
def _clear_errors(path: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: the data after @data is not UTF-8 text ({error.reason})") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataRefused(f"{path}: cannot be unpacked", [str(error)]) from error


def _read_header(path: str, file: IO[bytes]) -> _Header:
    settings: dict[str, str] = {}
    lines = 0
    for raw in file:
        lines += 1
        line = raw.decode("utf-8", errors="replace").strip()
        if line.lower().startswith("@data"):
            break
        if found := re.match(r"@(\w+)[ \t]*(.*)", line):
            settings[found[1].lower()] = found[2].strip()
    else:
        raise DataRefused(f"{path}: expected a line @data, as in every .ts file, got none")
    words = settings.get("classlabel", "").split()
    has_class = words[:1] != [] and words[0].lower() == "true"
    declared = settings.get("dimensions", "")
    return _Header(
        lines=lines,
        dimensions=int(declared) if declared.isdigit() else 1 if _true(settings, "univariate") else None,
        timestamps=_true(settings, "timestamps"),
        labelled=has_class or _true(settings, "targetlabel"),
        classes=tuple(words[1:]) if has_class else (),
    )


def _true(settings: dict[str, str], name: str) -> bool:
    return settings.get(name, "").lower().startswith("true")


def _pieces(file: IO[bytes], header: _Header, name: str, label: str, block_bytes: int) -> Iterator[Piece]:
    first = 0
    while block := file.read(block_bytes):
        block += file.readline()
        lines = pa.array(np.array(block.decode("utf-8").split("\n"), dtype=object), pa.string())
        cases = pc.utf8_trim_whitespace(lines)
        cases = cases.filter(pc.not_equal(cases, ""))
        if not len(cases):
            continue
        parts = _split(cases, header)
        if header.dimensions is None:
            width = pc.list_value_length(parts)[0].as_py() - int(header.labelled)
            header = replace(header, dimensions=max(width, 1))
        piece = _parse(cases, parts, header, first, name, label)
        yield piece
        first += len(cases)


def _split(cases: pa.Array, header: _Header) -> pa.Array:
    """The parts of each case, [N] list<string>; a colon within a timestamp divides nothing."""
    if not header.timestamps:
        return pc.split_pattern(cases, ":")
    return pc.split_pattern(pc.replace_substring_regex(cases, r"\)\s*:", ")\x1f"), "\x1f")


def _parse(cases: pa.Array, parts: pa.Array, header: _Header, first: int, name: str, label: str) -> Piece:
    dimensions = header.dimensions or 1
    width = dimensions + int(header.labelled)
    widths = pc.list_value_length(parts).to_numpy()
    numbers = np.arange(first, first + len(cases))
    piece = Piece(pa.table({}), first, name)
    wrong = widths != width
    _note(piece, wrong, lambda i: f"expected {_shape_words(dimensions, header)}, got {widths[i]} parts")
    starts = parts.offsets.to_numpy()[:-1]
    # A case with another number of parts reads as one of empty parts; it is reported above.
    values = pa.concat_arrays([parts.values, pa.array(["", "a"])])
    table: dict[str, pa.Array] = {}
    lengths = []
    for dimension in range(dimensions):
        places = np.where(wrong, len(values) - 2, starts + dimension)
        column = values.take(pa.array(places))
        steps, times, bad = _steps(column, header.timestamps)
        _note(piece, bad.any_in_case & ~wrong, _describe_steps(dimension, bad))
        table[f"dim_{dimension}"] = steps
        lengths.append(pc.list_value_length(steps).to_numpy())
        if times is not None and dimension == 0:
            table[TIME] = times
        elif times is not None:
            other = _differs(times, table[TIME]) & ~wrong
            _note(piece, other, lambda _: "expected the same times in every dimension")
    every = np.stack(lengths)
    _note(
        piece,
        (every.min(axis=0) != every.max(axis=0)) & ~wrong,
        lambda i: f"expected dimensions of one length, got {every[:, i].min()} to {every[:, i].max()} steps",
    )
    if header.labelled:
        last = np.where(wrong, len(values) - 1, starts + width - 1)
        table[label] = _labels(piece, pc.utf8_trim_whitespace(values.take(pa.array(last))), header, wrong)
    ids = pc.binary_join_element_wise(name, pc.cast(pa.array(numbers + 1), pa.string()), ":")
    return replace(piece, table=pa.table(table), ids=ids)


def _labels(piece: Piece, labels: pa.Array, header: _Header, wrong: npt.NDArray[np.bool_]) -> pa.Array:
    empty = pc.equal(labels, "").to_numpy(zero_copy_only=False)
    _note(piece, empty & ~wrong, lambda _: "expected a label after the last colon, got none")
    if header.classes:
        known = pc.is_in(labels, value_set=pa.array(header.classes)).to_numpy(zero_copy_only=False)
        _note(
            piece,
            ~known & ~empty & ~wrong,
            lambda i: f"expected one of the classes in @classLabel, got {labels[i].as_py()!r}",
        )
    return labels


def _shape_words(dimensions: int, header: _Header) -> str:
    return f"{dimensions} dimensions" + (" and a label" if header.labelled else "")


def _note(piece: Piece, mask: npt.NDArray[np.bool_], describe: Callable[[int], str]) -> None:
    if mask.any():
        piece.bad.append((mask, describe))


@dataclass(frozen=True)
class _Bad:
    """Values that are no numbers, and the cases they are in."""

    any_in_case: npt.NDArray[np.bool_]
    first: npt.NDArray[np.int64]
    texts: pa.Array


def _describe_steps(dimension: int, bad: _Bad) -> Callable[[int], str]:
    return lambda i: f"dimension {dimension}: expected a number, got {bad.texts[int(bad.first[i])].as_py()!r}"


def _steps(column: pa.Array, timestamps: bool) -> tuple[pa.Array, pa.Array | None, _Bad]:
    """One dimension as list<float32>, its times as list<string>, and what is no number."""
    if timestamps:
        inner = pc.utf8_trim(column, "() \t")
        split = pc.split_pattern_regex(inner, r"\)\s*,\s*\(")
        pairs = pc.split_pattern(split.values, ",", max_splits=1, reverse=True)
        whole = pc.equal(pc.list_value_length(pairs), 2)
        pairs = pc.if_else(whole, pairs, pa.scalar(["", ""], pairs.type))
        texts = pc.list_element(pairs, 1)
        texts = pc.if_else(whole, texts, split.values)
        times = pa.ListArray.from_arrays(split.offsets, pc.utf8_trim_whitespace(pc.list_element(pairs, 0)))
    else:
        split, times = pc.split_pattern(column, ","), None
        texts = split.values
    texts = pc.utf8_trim_whitespace(texts)
    plain = pc.replace_substring_regex(pc.if_else(pc.equal(texts, "?"), "nan", texts), r"^\+", "")
    wrong = ~pc.match_substring_regex(plain, _NUMBER).to_numpy(zero_copy_only=False)
    numbers = pc.cast(pc.if_else(pa.array(wrong), "nan", plain), pa.float32())
    offsets = split.offsets.to_numpy()
    counted = np.concatenate([[0], np.cumsum(wrong)])
    in_case = counted[offsets[1:]] > counted[offsets[:-1]]
    first = np.searchsorted(counted, counted[offsets[:-1]] + 1) - 1
    return pa.ListArray.from_arrays(split.offsets, numbers), times, _Bad(in_case, first, texts)


def _differs(times: pa.Array, others: pa.Array) -> npt.NDArray[np.bool_]:
    """Whether two lists of texts differ, case by case."""
    one, two = (pc.binary_join(each, "\x1f") for each in (times, others))
    differs: npt.NDArray[np.bool_] = pc.not_equal(one, two).to_numpy(zero_copy_only=False)
    return differs

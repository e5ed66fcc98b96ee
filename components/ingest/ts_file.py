"""Reads the sktime/UEA text format (.ts): one case a line, dimensions between colons, label last.

The format is described at https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html.
"""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.problems import Problems
from components.ingest.sequences import Sequences
from pipeline.errors import DataRefused

Positions = npt.NDArray[np.int64]
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?([nN]a[nN]|[iI]nf)$"


def read_ts(path: str | Path) -> Sequences:
    """Reads one .ts file.

    Sequence ids are `<file name without .ts>:<number of the case>`, features `dim_0`, `dim_1`, ….
    A value `?` is a missing one and becomes NaN.

    Args:
      path: the file; its comments and header may hold bytes that are not UTF-8.

    Raises:
      DataRefused: with the line, dimension and text of everything that could not be read.
    """
    path = Path(path)
    header, body = _split_header(path)
    _check_header(path, header)
    first_line = header.count("\n") + 1
    try:
        lines = np.array(body.decode("utf-8").split("\n"), dtype=object)
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: the data after @data is not UTF-8 text ({error.reason})") from error
    cases = pc.utf8_trim_whitespace(pa.array(lines, pa.string()))
    used = np.flatnonzero(pc.not_equal(cases, "").to_numpy(zero_copy_only=False))
    if not len(used):
        raise DataRefused(f"{path}: expected at least one case after @data, got none")
    return _parse_cases(path, cases.take(pa.array(used)), used + first_line)


def _split_header(path: Path) -> tuple[str, bytes]:
    raw = path.read_bytes()
    found = re.search(rb"^@data[^\n]*\n?", raw, re.IGNORECASE | re.MULTILINE)
    if not found:
        raise DataRefused(f"{path}: expected a line @data, as in every .ts file, got none")
    return raw[: found.end()].decode("utf-8", errors="replace"), raw[found.end() :]


def _check_header(path: Path, header: str) -> None:
    settings = dict(re.findall(r"^@(\w+)[ \t]*([^\r\n]*)", header, re.MULTILINE))
    settings = {name.lower(): value.strip().lower() for name, value in settings.items()}
    problems = []
    if settings.get("timestamps", "false").startswith("true"):
        problems.append("@timeStamps true: time stamps are not available yet")
    if not settings.get("classlabel", "").startswith("true"):
        problems.append("@classLabel: expected true and the classes, for there is nothing to learn without")
    if problems:
        raise DataRefused(f"{path}: the header cannot be used", problems)


def _parse_cases(path: Path, cases: pa.Array, line_numbers: Positions) -> Sequences:
    parts = pc.split_pattern(cases, ":")
    widths = pc.list_value_length(parts).to_numpy()
    width = int(np.bincount(widths).argmax())
    problems = Problems()
    problems.add(
        widths != width,
        lambda i: (
            f"line {line_numbers[i]}: expected {width - 1} dimensions and a label, got {widths[i]} parts"
        ),
    )
    problems.refuse(f"{path}: {{}} cases have other dimensions than most")
    if width < 2:
        raise DataRefused(f"{path}: expected dimensions and a label between colons, got none")
    number = np.arange(len(cases))
    columns = [parts.flatten().take(pa.array(number * width + dimension)) for dimension in range(width)]
    features = {
        f"dim_{dimension}": _steps(column, line_numbers, dimension, problems)
        for dimension, column in enumerate(columns[:-1])
    }
    labels = pc.utf8_trim_whitespace(columns[-1])
    problems.add(
        pc.equal(labels, "").to_numpy(zero_copy_only=False),
        lambda i: f"line {line_numbers[i]}: expected a label after the last colon, got none",
    )
    lengths = np.stack([pc.list_value_length(steps).to_numpy() for steps in features.values()])
    problems.add(
        lengths.min(axis=0) != lengths.max(axis=0),
        lambda i: (
            f"line {line_numbers[i]}: expected dimensions of one length, "
            f"got {lengths[:, i].min()} to {lengths[:, i].max()} steps"
        ),
    )
    problems.refuse(f"{path}: {{}} places cannot be read")
    ids = pc.binary_join_element_wise(path.stem, pc.cast(pa.array(number + 1), pa.string()), ":")
    return Sequences(ids=ids, labels=labels, features=features)


def _steps(column: pa.Array, line_numbers: Positions, dimension: int, problems: Problems) -> pa.Array:
    """Comma-separated numbers as list<float32>; notes what is no number."""
    split = pc.split_pattern(column, ",")
    offsets = split.offsets
    texts = pc.utf8_trim_whitespace(split.values)
    texts = pc.if_else(pc.equal(texts, "?"), "nan", texts)
    wrong = ~pc.match_substring_regex(texts, _NUMBER).to_numpy(zero_copy_only=False)

    def describe(position: int) -> str:
        case = int(np.searchsorted(offsets.to_numpy(), position, side="right")) - 1
        return (
            f"line {line_numbers[case]}, dimension {dimension}: "
            f"expected a number, got {texts[position].as_py()!r}"
        )

    problems.add(wrong, describe)
    numbers = pc.cast(pc.if_else(pa.array(wrong), "nan", texts), pa.float32())
    return pa.ListArray.from_arrays(offsets, numbers)

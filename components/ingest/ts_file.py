"""Reads the sktime/UEA text format (.ts): one case a line, dimensions between colons, label last.

The format is described at https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html.
"""

import gzip
import re
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.problems import Problems
from components.ingest.sequences import Sequences
from pipeline.errors import DataRefused

_GZIP = b"\x1f\x8b"
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
    settings = _settings(path, header)
    first_line = header.count("\n") + 1
    try:
        lines = np.array(body.decode("utf-8").split("\n"), dtype=object)
    except UnicodeDecodeError as error:
        raise DataRefused(f"{path}: the data after @data is not UTF-8 text ({error.reason})") from error
    cases = pc.utf8_trim_whitespace(pa.array(lines, pa.string()))
    used = np.flatnonzero(pc.not_equal(cases, "").to_numpy(zero_copy_only=False))
    if not len(used):
        raise DataRefused(f"{path}: expected at least one case after @data, got none")
    return _parse_cases(path, settings, cases.take(pa.array(used)), used + first_line)


def _split_header(path: Path) -> tuple[str, bytes]:
    raw = path.read_bytes()
    if raw[:2] == _GZIP:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataRefused(f"{path}: cannot be unpacked", [str(error)]) from error
    found = re.search(rb"^@data[^\n]*\n?", raw, re.IGNORECASE | re.MULTILINE)
    if not found:
        raise DataRefused(f"{path}: expected a line @data, as in every .ts file, got none")
    return raw[: found.end()].decode("utf-8", errors="replace"), raw[found.end() :]


def _settings(path: Path, header: str) -> dict[str, str]:
    """The `@name value` lines of the header, names in lower case."""
    found = re.findall(r"^@(\w+)[ \t]*([^\r\n]*)", header, re.MULTILINE)
    settings = {name.lower(): value.strip() for name, value in found}
    problems = []
    if settings.get("timestamps", "false").lower().startswith("true"):
        problems.append("@timeStamps true: time stamps are not available yet")
    if not settings.get("classlabel", "").lower().startswith("true"):
        problems.append("@classLabel: expected true and the classes, for there is nothing to learn without")
    if problems:
        raise DataRefused(f"{path}: the header cannot be used", problems)
    return settings


def _parse_cases(path: Path, settings: dict[str, str], cases: pa.Array, line_numbers: Positions) -> Sequences:
    parts = pc.split_pattern(cases, ":")
    widths = pc.list_value_length(parts).to_numpy()
    declared = settings.get("dimensions", "")
    width = int(declared) + 1 if declared.isdigit() else int(np.bincount(widths).argmax())
    problems = Problems()
    problems.add(
        widths != width,
        lambda i: (
            f"line {line_numbers[i]}: expected {width - 1} dimensions and a label, got {widths[i]} parts"
        ),
    )
    problems.refuse(f"{path}: cases with other dimensions than {'declared' if declared else 'most'}: {{}}")
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
    if classes := settings["classlabel"].split()[1:]:
        known = pc.is_in(labels, value_set=pa.array([*classes, ""]))
        problems.add(
            ~known.to_numpy(zero_copy_only=False),
            lambda i: (
                f"line {line_numbers[i]}: expected one of the classes in @classLabel, "
                f"got {labels[i].as_py()!r}"
            ),
        )
    lengths = np.stack([pc.list_value_length(steps).to_numpy() for steps in features.values()])
    problems.add(
        lengths.min(axis=0) != lengths.max(axis=0),
        lambda i: (
            f"line {line_numbers[i]}: expected dimensions of one length, "
            f"got {lengths[:, i].min()} to {lengths[:, i].max()} steps"
        ),
    )
    problems.refuse(f"{path}: places that cannot be read: {{}}")
    name = path.name.removesuffix(".gz").removesuffix(".ts")
    ids = pc.binary_join_element_wise(name, pc.cast(pa.array(number + 1), pa.string()), ":")
    return Sequences(ids=ids, labels=labels, features=features)


def _steps(column: pa.Array, line_numbers: Positions, dimension: int, problems: Problems) -> pa.Array:
    """Comma-separated numbers as list<float32>; notes what is no number."""
    split = pc.split_pattern(column, ",")
    offsets = split.offsets
    texts = pc.utf8_trim_whitespace(split.values)
    texts = pc.replace_substring_regex(pc.if_else(pc.equal(texts, "?"), "nan", texts), r"^\+", "")
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

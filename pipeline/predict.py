"""Reads a file as the configuration does, asks the served model, and shows what it answers."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from rich.table import Table

from pipeline import request_file
from pipeline.config import Config, format_of
from pipeline.errors import ConfigError, SluiceError
from pipeline.figures import figure
from pipeline.locations import is_remote, matches, read_bytes
from pipeline.output_file import completed
from serving.call_errors import BadRequest, CallError, DeadlineExceeded, NotFound, Unavailable
from serving.client import Client
from serving.request_inputs import features_of

STDIN = "-"
_PROMPT, _GENERATE, _SEQUENCES = "prompt", "generate", "sequences"
_SHOWN_ROWS = 20
_WRITTEN = (".csv", ".parquet", ".json")


@dataclass(frozen=True)
class Drawn:
    """How a model that goes on is asked to."""

    max_new_tokens: int
    temperature: float
    seed: int


@dataclass(frozen=True)
class Predicted:
    """The answers with a row a sequence, and what was left out, in words."""

    table: pa.Table
    left_out: str = ""


def predict(config: Config, source: str, client: Client, drawn: Drawn, start: str) -> Predicted:
    """Asks the model about a file, or about the lines of standard input.

    Args:
      config: whose model it is, and how the file is read.
      source: a file in the format of the configuration; of a model that takes prompts or one text, a
        file of text with one a line; `-` is standard input.
      client: asks.
      drawn: for a model that goes on.
      start: the command that starts a server, for the error.

    Raises:
      SluiceError: nobody answers there, or the model refuses the request.
      ConfigError: the file cannot be what the configuration says.
      DataRefused: cells that cannot be read.
    """
    if source != STDIN and not matches(source):
        raise ConfigError(f"INPUT: no file {source}")
    try:
        return _predict(config, source, client, drawn)
    except BadRequest as error:
        raise ConfigError(f"{source}: the model cannot be asked this", [error.message]) from error
    except NotFound as error:
        raise SluiceError(
            f"the server that answers there has no such model or version ({error})",
            [f"compare --host, --port, --version and the name {config.name} with what it serves"],
        ) from error
    except (Unavailable, DeadlineExceeded) as error:
        raise SluiceError(f"no answer from {config.name} ({error})", [f"start a server: {start}"]) from error
    except CallError as error:
        raise SluiceError(f"{config.name} did not answer: {error}") from error


def _predict(config: Config, source: str, client: Client, drawn: Drawn) -> Predicted:
    signatures = client.metadata()
    goes_on = signatures.get(_GENERATE)
    if goes_on is not None and _PROMPT in goes_on.inputs:
        if format_of(source) is not None:
            raise ConfigError(
                f"{source}: {config.name} goes on from prompts; give text, one prompt a line, or {STDIN}"
            )
        prompts = _lines(source)
        texts = client.generate(prompts, drawn.max_new_tokens, drawn.temperature, drawn.seed)
        return Predicted(pa.table({_PROMPT: prompts, "text": texts}))
    if source == STDIN:
        texts = _lines(source)
        found = client.predict(texts).table()
        return Predicted(found.add_column(0, "text", pa.array(texts)))
    table, left_out = request_file.read(config, source, features_of(signatures[_SEQUENCES]))
    if goes_on is None:
        return Predicted(client.predict(table).table(), left_out)
    steps = client.generate(table, drawn.max_new_tokens)
    assert isinstance(steps, dict)
    columns = {name: pa.array(one.tolist()) for name, one in steps.items()}
    return Predicted(pa.table({request_file.ID: table.column(request_file.ID), **columns}), left_out)


def _lines(source: str) -> list[str]:
    """The lines of a file or of standard input, without those that are empty."""
    try:
        text = sys.stdin.read() if source == STDIN else read_bytes(source).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: expected UTF-8 text, one a line ({error})") from error
    if not (lines := [line for line in text.splitlines() if line.strip()]):
        raise ConfigError(f"{source}: expected text, one a line, got none")
    return lines


def refuse_out(path: str, source: str) -> None:
    """Raises ConfigError where answers cannot be written to a file of that name, or would replace INPUT."""
    if Path(path).suffix not in _WRITTEN:
        raise ConfigError(f"--out {path}: expected a name that ends in {', '.join(_WRITTEN)}")
    if source == STDIN or is_remote(source) or not Path(path).exists():
        return
    if any(Path(one).samefile(path) for one in matches(source)):
        raise ConfigError(f"--out {path}: is INPUT itself, which would be lost; give another name")


def write(table: pa.Table, path: str) -> None:
    """Writes answers as CSV, Parquet or JSON, by the name's suffix; lists in CSV are JSON.

    The file gets its name when it is complete.

    Raises:
      ConfigError: the file cannot be written.
    """
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    with completed(Path(path), f"--out {path}") as part:
        if path.endswith(".parquet"):
            parquet.write_table(table, part)
        elif path.endswith(".csv"):
            csv.write_csv(_flat(table), part)
        else:
            rows = table.to_pylist()
            part.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _flat(table: pa.Table) -> pa.Table:
    for place, name in enumerate(table.column_names):
        if pa.types.is_list(table.column(name).type):
            texts = [json.dumps(one) for one in table.column(name).to_pylist()]
            table = table.set_column(place, name, pa.array(texts))
    return table


def shown(table: pa.Table, *, terminal: bool) -> Iterator[Table | str]:
    """The answers as people read them; on a terminal the first ones."""
    rows = table.slice(0, _SHOWN_ROWS) if terminal else table
    printed = Table(box=None, pad_edge=False, header_style="none")
    for name in rows.column_names:
        printed.add_column(name, overflow="fold")
    for row in rows.to_pylist():
        printed.add_row(*map(_cell, row.values()))
    yield printed
    if (more := len(table) - len(rows)) > 0:
        yield f"… and {more:,} more; --out FILE has them all"


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return figure(value) if isinstance(value, float) else str(value)

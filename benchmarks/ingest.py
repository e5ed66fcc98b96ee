"""Rows per second of Ingest against TFX's CsvExampleGen, on the same CSV file.

    .venv/bin/python -m benchmarks.ingest [--rows N …] [--stock-up-to N] [--repeats N]

Every measurement is a process of its own that runs one component with TFX's LocalDagRunner and Beam's
in-memory runner; imports are not counted. The two sides take turns. Ingest groups the rows into
sequences of 20 steps, orders them by time and splits them by sequence; CsvExampleGen writes every row
as an Example and splits rows by hash. The last table is kept in RESULTS.md.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from benchmarks.results import growth, keep, machine, measure

_STEPS, _FEATURES, _CHUNK_ROWS = 20, 10, 1_000_000


def make_csv(path: Path, rows: int, before: int = 0) -> None:
    """Writes sequences of 20 steps with 10 features of four decimals, an id, a time and a label.

    `before` rows stand in other files.
    """
    random = np.random.default_rng(1 + before)
    writer = None
    for first in range(before, before + rows, _CHUNK_ROWS):
        number = np.arange(first, min(before + rows, first + _CHUNK_ROWS))
        columns: dict[str, Any] = {
            "id": number // _STEPS,
            "time": number % _STEPS,
            "label": number // _STEPS % 3,
        }
        columns |= {f"f{i}": random.normal(size=len(number)).round(4) for i in range(_FEATURES)}
        table = pa.table(columns)
        writer = writer or csv.CSVWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def run_one(side: str, source: Path, home: Path) -> dict[str, float]:
    """Runs one side in this process: seconds without imports, and the peak of resident memory in GB."""
    from tfx import v1 as tfx

    from components.ingest.component import Ingest
    from pipeline.config import Run
    from pipeline.runners.beam_args import beam_args

    data = {"source": [str(source)], "sequence_id": "id", "time": "time", "label": "label"}
    settings = {"name": "n", "task": "multiclass", "data": data, "split": {"by": "sequence"}}
    component = (
        Ingest(config=json.dumps(settings), source_fingerprint="")
        if side == "Ingest"
        else tfx.components.CsvExampleGen(input_base=str(source.parent))
    )
    dag = tfx.dsl.Pipeline(
        pipeline_name="benchmark",
        pipeline_root=str(home / side),
        components=[component],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(home / f"{side}.sqlite")
        ),
        beam_pipeline_args=beam_args(Run()),
    )
    begin = time.perf_counter()
    tfx.orchestration.LocalDagRunner().run(dag)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def _measure(side: str, source: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        return measure("benchmarks.ingest", side, str(source), home)


def compare(rows: list[int], stock_up_to: int, repeats: int) -> list[dict[str, Any]]:
    """Measures both sides in turn at every size; the fastest of the repeats counts for each side."""
    table = []
    for size in rows:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "rows", "rows.csv")
            source.parent.mkdir()
            make_csv(source, size)
            sides = ["Ingest", "CsvExampleGen"] if size <= stock_up_to else ["Ingest"]
            found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
            for _ in range(repeats):
                for side in sides:
                    found[side].append(_measure(side, source))
                    print(f"{size:>12,} rows  {side:<14} {found[side][-1]['seconds']:8.1f} s", flush=True)
        for side in sides:
            best = min(found[side], key=lambda one: one["seconds"])
            table.append({"rows": size, "side": side, **best})
    return table


def report(table: list[dict[str, Any]]) -> str:
    """The measurements as a Markdown table, with the ratio at each size and how time grows."""
    lines = [
        "| rows | | seconds | rows per second | times stock | peak GB |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    stock = {one["rows"]: one["seconds"] for one in table if one["side"] == "CsvExampleGen"}
    for one in table:
        ratio = f"{stock[one['rows']] / one['seconds']:.0f}" if one["rows"] in stock else ""
        lines.append(
            f"| {one['rows']:,} | {one['side']} | {one['seconds']:.1f} | {one['rows'] / one['seconds']:,.0f} "
            f"| {ratio} | {one['gb']:.1f} |"
        )
    if grows := growth(table, "rows", "Ingest"):
        lines += ["", grows]
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark, prints its table and keeps it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 2_000_000, 10_000_000])
    parser.add_argument("--stock-up-to", type=int, default=2_000_000, help="rows up to which stock runs too")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--one", nargs=3, metavar=("SIDE", "SOURCE", "HOME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        side, source, home = arguments.one
        print(json.dumps(run_one(side, Path(source), Path(home))))
        return
    text = report(compare(sorted(arguments.rows), arguments.stock_up_to, arguments.repeats))
    print(f"\n{text}")
    keep("ingest", f"`python -m benchmarks.ingest`: {machine()}\n\n{text}")


if __name__ == "__main__":
    main()

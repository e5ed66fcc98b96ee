"""Seconds and memory of the Auditor against TFX's StatisticsGen, on the same Examples.

    .venv/bin/python -m benchmarks.audit [--sequences N …] [--repeats N]

Every measurement is a process of its own that runs one component with TFX's LocalDagRunner and Beam's
in-memory runner; imports are not counted. The two sides take turns; the fastest of the repeats counts.
Sequences have 10 steps and 5 features of random numbers, ids, times and one of three labels. The last
table is kept in RESULTS.md.
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

from benchmarks.results import growth, keep, machine, measure

_STEPS, _FEATURES, _CHUNK, _EVAL_SHARE = 10, 5, 100_000, 0.2
_SHARDS = 8
_SETTINGS = {
    "name": "n",
    "task": "multiclass",
    "data": {"source": ["unused.csv"], "sequence_id": "id", "time": "t", "label": "label"},
    "split": {"by": "sequence"},
}


def make_examples(folder: Path, sequences: int) -> None:
    """Writes both splits as Ingest does, in eight files each."""
    import tensorflow as tf

    from components.ingest.example_bytes import serialize

    random = np.random.default_rng(1)
    evaluated = int(sequences * _EVAL_SHARE)
    for split, first, last in (("eval", 0, evaluated), ("train", evaluated, sequences)):
        (folder / f"Split-{split}").mkdir(parents=True)
        for shard, numbers in enumerate(np.array_split(np.arange(first, last), _SHARDS)):
            path = folder / f"Split-{split}" / f"data_tfrecord-{shard:05d}-of-{_SHARDS:05d}.gz"
            options = tf.io.TFRecordOptions("GZIP", compression_level=1)
            with tf.io.TFRecordWriter(str(path), options) as writer:
                for begin in range(0, len(numbers), _CHUNK):
                    for record in serialize(_columns(numbers[begin : begin + _CHUNK], random)).to_pylist():
                        writer.write(record)


def _columns(numbers: np.ndarray[Any, Any], random: np.random.Generator) -> dict[str, pa.Array]:
    count = len(numbers)
    one = np.arange(count + 1, dtype=np.int32)
    steps = one * _STEPS
    numbers_of = random.normal(size=(_FEATURES, count * _STEPS)).astype(np.float32)
    found = {f"f{i}": _lists(steps, values) for i, values in enumerate(numbers_of)}
    found["step_time"] = _lists(steps, np.tile(np.arange(_STEPS), count))
    found["sequence_length"] = _lists(one, np.full(count, _STEPS))
    found["sequence_id"] = _lists(one, [f"sequence-{number}" for number in numbers])
    found["label"] = _lists(one, np.array(["a", "b", "c"], object)[random.integers(0, 3, count)])
    return found


def _lists(offsets: np.ndarray[Any, Any], values: Any) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


def run_one(side: str, examples: Path, home: Path) -> dict[str, float]:
    """Runs one side in this process: seconds without imports, and the peak of resident memory in GB."""
    from tfx import v1 as tfx

    from components.auditor.component import Auditor
    from pipeline.config import Run
    from pipeline.runners.beam_args import beam_args

    importer = tfx.dsl.Importer(
        source_uri=str(examples),
        artifact_type=tfx.types.standard_artifacts.Examples,
        properties={"split_names": json.dumps(["train", "eval"])},
        custom_properties={
            "payload_format": "FORMAT_TF_EXAMPLE",
            "file_format": "tfrecords_gzip",
        },
    ).with_id("examples")
    statistics = tfx.components.StatisticsGen(examples=importer.outputs["result"])
    schema = tfx.components.SchemaGen(
        statistics=statistics.outputs["statistics"], infer_feature_shape=False, exclude_splits=["eval"]
    )
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    auditor = Auditor(
        examples=importer.outputs["result"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        anomalies=validator.outputs["anomalies"],
        config=json.dumps(_SETTINGS),
        code="",
    )
    before: list[Any] = [importer, statistics]
    stages = before if side == "StatisticsGen" else [*before, schema, validator, auditor]
    dag = tfx.dsl.Pipeline(
        pipeline_name="benchmark",
        pipeline_root=str(home / "root"),
        components=stages,
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(home / "metadata.sqlite")
        ),
        beam_pipeline_args=beam_args(Run()),
    )
    begin = time.perf_counter()
    tfx.orchestration.LocalDagRunner().run(dag)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def compare(sizes: list[int], repeats: int) -> list[dict[str, Any]]:
    """Measures both sides in turn at every size; the fastest of the repeats counts for each."""
    table = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            examples = Path(folder, "examples")
            make_examples(examples, size)
            found: dict[str, list[dict[str, float]]] = {"StatisticsGen": [], "Auditor": []}
            for repeat in range(repeats):
                for side, measured in found.items():
                    # The Auditor's process finds the statistics of the other in the cache.
                    home = str(Path(folder, str(repeat)))
                    measured.append(measure("benchmarks.audit", side, str(examples), home))
                    print(f"{size:>12,} sequences  {side:<14} {measured[-1]['seconds']:8.1f} s", flush=True)
            for side, measured in found.items():
                best = min(measured, key=lambda one: one["seconds"])
                table.append({"sequences": size, "side": side, **best})
    return table


def report(table: list[dict[str, Any]]) -> str:
    """The measurements as a Markdown table, and how the Auditor's time grows."""
    lines = ["| sequences | | seconds | sequences per second | peak GB |", "|---:|---|---:|---:|---:|"]
    lines += [
        f"| {one['sequences']:,} | {one['side']} | {one['seconds']:.1f} "
        f"| {one['sequences'] / one['seconds']:,.0f} | {one['gb']:.1f} |"
        for one in table
    ]
    if grows := growth(table, "sequences", "Auditor"):
        lines += ["", grows]
    lines += ["", "The Auditor's seconds include SchemaGen and ExampleValidator."]
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark, prints its table and keeps it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sequences", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--one", nargs=3, metavar=("SIDE", "EXAMPLES", "HOME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        side, examples, home = arguments.one
        print(json.dumps(run_one(side, Path(examples), Path(home))))
        return
    text = report(compare(sorted(arguments.sequences), arguments.repeats))
    print(f"\n{text}")
    keep("audit", f"`python -m benchmarks.audit`: {machine()}\n\n{text}")


if __name__ == "__main__":
    main()

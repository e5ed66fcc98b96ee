"""False alarms: how often the auditor finds a leak in random data with random labels.

    .venv/bin/python -m benchmarks.random_labels [--repetitions N]

Every repetition has its own seed, 50 to 500 sequences of 1 to 12 steps (of one length or of many), 1 to
200 features (numbers, whole numbers, categories), two to five classes of equal or unequal shares, and a
tenth to a half of the sequences in the evaluation split. The whole auditor runs on their Examples.
The last table is kept in RESULTS.md.
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.results import keep, machine

_SEED = 20_000


def make_examples(folder: Path, seed: int) -> str:
    """Writes both splits, and says what they are."""
    import tensorflow as tf

    from components.ingest.example_bytes import serialize

    random = np.random.default_rng(_SEED + seed)
    count, features = int(random.integers(50, 501)), int(np.rint(200 ** random.random()))
    columns = _columns(random, count, features)
    begin = count - int(count * random.uniform(0.1, 0.5))
    for split, rows in (("train", slice(0, begin)), ("eval", slice(begin, count))):
        (folder / f"Split-{split}").mkdir(parents=True)
        part = {name: column.take(pa.array(np.arange(count)[rows])) for name, column in columns.items()}
        with tf.io.TFRecordWriter(str(folder / f"Split-{split}" / "data.gz"), "GZIP") as writer:
            for record in serialize(part).to_pylist():
                writer.write(record)
    return f"{count} sequences, {features} features"


def _columns(random: np.random.Generator, count: int, features: int) -> dict[str, pa.Array]:
    longest = int(random.integers(1, 13))
    lengths = np.full(count, longest) if random.random() < 0.5 else random.integers(1, longest + 1, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    one = np.arange(count + 1, dtype=np.int32)
    classes = int(random.integers(2, 6))
    shares = np.full(classes, 1 / classes) if random.random() < 0.5 else random.dirichlet(np.ones(classes))
    made: dict[str, Any] = {f"f{i}": _values(random, int(offsets[-1])) for i in range(features)}
    columns = {name: pa.ListArray.from_arrays(pa.array(offsets), pa.array(v)) for name, v in made.items()}
    for name, values in (
        ("sequence_id", [f"s{i}" for i in range(count)]),
        ("sequence_length", lengths),
        ("label", random.choice(classes, count, p=shares).astype(str).tolist()),
    ):
        columns[name] = pa.ListArray.from_arrays(pa.array(one), pa.array(values))
    return columns


def _values(random: np.random.Generator, count: int) -> Any:
    kind = random.integers(0, 4)
    if kind == 0:
        return random.integers(0, random.integers(2, 30), count)
    if kind == 1:
        return np.array(["red", "green", "blue", "grey"], object)[random.integers(0, 4, count)]
    values = random.normal(size=count).astype(np.float32)
    return np.where(random.random(count) < 0.1, np.float32("nan"), values) if kind == 2 else values


def audit_one(seed: int) -> list[dict[str, Any]]:
    """The findings of one repetition."""
    import apache_beam as beam
    import tensorflow_data_validation as tfdv
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from components.auditor.component import audit
    from pipeline.config import Config

    data = {"source": ["unused"], "format": "csv", "sequence_id": "id", "label": "label"}
    settings = {"name": "n", "task": "multiclass", "data": data, "split": {"by": "sequence"}}
    with tempfile.TemporaryDirectory() as folder:
        make_examples(Path(folder), seed)
        statistics = tfdv.generate_statistics_from_tfrecord(f"{folder}/Split-train/*")
        found = audit(
            Config.model_validate_json(json.dumps(settings)),
            folder,
            schema=tfdv.infer_schema(statistics, infer_feature_shape=False),
            statistics={"train": statistics.datasets[0]},
            anomalies={},
            folder=f"{folder}/findings",
            pipeline=beam.Pipeline(runner=FnApiRunner()),
        )
    return list(found["findings"])


def report(found: list[list[dict[str, Any]]]) -> str:
    """How many repetitions had any leakage error, and each finding by name."""
    from components.auditor.checks import CHECKS

    runs = len(found)
    leaks = [{(f["severity"], f["check"]) for f in one if CHECKS[f["check"]].leakage} for one in found]
    errors = sum(any(severity == "error" for severity, _ in one) for one in leaks)
    counts = Counter(pair for one in found for pair in {(f["severity"], f["check"]) for f in one})
    lines = [
        f"{errors} of {runs} repetitions had a leakage error ({errors / runs:.1%}).",
        f"{sum(map(bool, found))} had a finding of any kind.",
    ]
    if counts:
        lines += ["", "| severity | check | repetitions | share |", "|---|---|---:|---:|"]
    lines += [
        f"| {severity} | {check} | {count} | {count / runs:.1%} |"
        for (severity, check), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1]))
    ]
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark, prints its table and keeps it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=500)
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    found = []
    for seed in range(arguments.repetitions):
        found.append(audit_one(seed))
        if (seed + 1) % 50 == 0:
            print(f"{seed + 1} repetitions", flush=True)
    text = report(found)
    print(f"\n{text}")
    keep("random labels", f"`python -m benchmarks.random_labels`: {machine()}\n\n{text}")


if __name__ == "__main__":
    main()

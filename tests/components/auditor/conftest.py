"""The auditor as a function: rows of Examples in, its findings out, through the real Beam pipeline."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.auditor.component import audit as run_audit
from pipeline.config import Config

Row = dict[str, list[Any]]
_TYPES = {float: schema_pb2.FLOAT, int: schema_pb2.INT, str: schema_pb2.BYTES, bytes: schema_pb2.BYTES}


@dataclass(frozen=True)
class Audited:
    """What one audit found."""

    result: dict[str, Any]
    folder: Path

    @property
    def findings(self) -> list[dict[str, Any]]:
        return self.result["findings"]

    @property
    def errors(self) -> set[str]:
        return {one["check"] for one in self.findings if one["severity"] == "error"}

    @property
    def warnings(self) -> set[str]:
        return {one["check"] for one in self.findings if one["severity"] == "warning"}

    def only(self, check: str) -> dict[str, Any]:
        (found,) = [one for one in self.findings if one["check"] == check]
        return found


def example(row: Row) -> bytes:
    """A tf.Example, made with TensorFlow's own protobuf classes."""
    features = {}
    for name, values in row.items():
        if values and isinstance(values[0], float):
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        elif values and isinstance(values[0], int):
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        elif not values:
            kinds = {"step_time": {"int64_list": tf.train.Int64List()}}
            features[name] = tf.train.Feature(**kinds.get(name, {"float_list": tf.train.FloatList()}))
        else:
            texts = [value.encode() if isinstance(value, str) else value for value in values]
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def schema_of(rows: list[Row]) -> schema_pb2.Schema:
    """Every feature of the first row, required in all."""
    schema = schema_pb2.Schema()
    for name, values in (rows[0] if rows else {}).items():
        feature = schema.feature.add(name=name, type=_TYPES[type(values[0])])
        feature.presence.min_fraction = 1.0
    return schema


def write_split(folder: Path, records: list[bytes], files: int = 1) -> None:
    folder.mkdir(parents=True)
    for number, part in enumerate(np.array_split(np.arange(len(records)), files)):
        path = str(folder / f"data_tfrecord-{number:05d}-of-{files:05d}.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for place in part:
                writer.write(records[place])


def make_config(**changes: Any) -> Config:
    data = {"source": ["unused.csv"], "label": "label", "sequence_id": "id", **changes.pop("data", {})}
    task = changes.pop("task", "multiclass")
    if task == "generation":
        data.pop("label")
    raw = {"name": "n", "task": task, "data": {k: v for k, v in data.items() if v is not None}, **changes}
    return Config.model_validate_json(json.dumps(raw), strict=True)


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Audited]:
    def run(
        train: list[Row] | list[bytes],
        evaluated: list[Row] | list[bytes],
        *,
        against: schema_pb2.Schema | None = None,
        files: int = 1,
        with_tfdv: bool = False,
        **changes: Any,
    ) -> Audited:
        folder = tmp_path_factory.mktemp("audit")
        for split, rows in (("train", train), ("eval", evaluated)):
            records = [row if isinstance(row, bytes) else example(row) for row in rows]
            write_split(folder / f"Split-{split}", records, files)
        schema = against or schema_of([row for row in (*train, *evaluated) if not isinstance(row, bytes)])
        statistics, anomalies = from_tfdv(folder, schema) if with_tfdv else ({}, {})
        result = run_audit(
            make_config(**changes),
            str(folder),
            schema=schema,
            statistics=statistics,
            anomalies=anomalies,
            folder=str(folder / "findings"),
            pipeline=beam.Pipeline(runner=FnApiRunner()),
        )
        return Audited(result, folder / "findings")

    return run


def from_tfdv(folder: Path, schema: schema_pb2.Schema):
    lists = {
        split: tfdv.generate_statistics_from_tfrecord(f"{folder}/Split-{split}/*")
        for split in ("train", "eval")
    }
    statistics: dict[str, statistics_pb2.DatasetFeatureStatistics] = {
        split: found.datasets[0] for split, found in lists.items()
    }
    return statistics, {split: tfdv.validate_statistics(found, schema) for split, found in lists.items()}


def some(count: int, seed: int = 0, *, first: int = 0, steps: int = 8, features: int = 3) -> list[Row]:
    """Clean sequences: random numbers, a random class, ids and times."""
    random = np.random.default_rng((seed, first))
    return [
        {
            "sequence_id": [f"s{first + i}"],
            "sequence_length": [steps],
            "label": [str(random.choice(["p", "q"]))],
            "step_time": list(range(steps)),
            **{f"f{j}": random.normal(size=steps).tolist() for j in range(features)},
        }
        for i in range(count)
    ]


def windows(
    steps: int,
    *,
    length: int = 6,
    stride: int = 1,
    horizon: int = 2,
    seed: int = 0,
    first: int = 0,
    change: float = 0.1,
) -> list[Row]:
    """All windows of one series whose label changes now and then."""
    random = np.random.default_rng(seed)
    label = np.cumsum(random.random(steps) < change) % 2
    values = random.normal(size=(2, steps))
    return [
        {
            "series_id": ["series"],
            "window_start": [first + s],
            "sequence_id": [f"series@{first + s}"],
            "sequence_length": [length],
            "label": [str(label[s + length - 1 + horizon])],
            "step_time": [1000 * (first + t) for t in range(s, s + length)],
            "f0": values[0, s : s + length].tolist(),
            "f1": values[1, s : s + length].tolist(),
            # What the label is at each step, and what it will be at the label's: for tests to use or drop.
            "now": label[s : s + length].astype(float).tolist(),
            "ahead": label[s + horizon : s + length + horizon].astype(float).tolist(),
        }
        for s in range(0, steps - length - horizon + 1, stride)
    ]

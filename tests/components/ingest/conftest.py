"""Ingest as a function: a configuration in, the manifest and the examples of each split out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from components.ingest.component import write_splits
from pipeline.config import Config
from pipeline.errors import DataRefused

Row = dict[str, list[Any]]


@dataclass(frozen=True)
class Ingested:
    """What one call of ingest made."""

    manifest: dict[str, Any]
    train: list[Row]
    eval: list[Row]
    folder: Path

    @property
    def all(self) -> list[Row]:
        return [*self.train, *self.eval]

    def by_id(self) -> dict[str, Row]:
        return {row["sequence_id"][0].decode(): row for row in self.all}


def parse(folder: Path) -> list[Row]:
    """tf.Examples as TensorFlow's own protobuf class reads them."""
    rows = []
    files = sorted(map(str, folder.glob("*.gz")))
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator() if files else ():
        feature = tf.train.Example.FromString(record).features.feature
        rows.append({name: list(getattr(f, f.WhichOneof("kind")).value) for name, f in feature.items()})
    return rows


def make_config(source: object, **changes: Any) -> Config:
    data = {"source": source, **changes.pop("data", {})}
    raw = {"name": "n", "task": "multiclass", "data": data, **changes}
    return Config.model_validate_json(json.dumps(raw, default=str), strict=True)


@pytest.fixture(scope="session")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ingested]:
    def run(source: object, **changes: Any) -> Ingested:
        if isinstance(source, Path):
            source = [str(source)]
        folder = tmp_path_factory.mktemp("examples")
        manifest = write_splits(
            make_config(source, **changes), str(folder), beam.Pipeline(runner=FnApiRunner())
        )
        return Ingested(manifest, parse(folder / "Split-train"), parse(folder / "Split-eval"), folder)

    return run


@pytest.fixture(scope="session")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Ingests what must be refused; gives the message, and checks that nothing was left behind."""

    def run(source: object, **changes: Any) -> str:
        if isinstance(source, Path):
            source = [str(source)]
        folder = tmp_path_factory.mktemp("refused")
        with pytest.raises(DataRefused) as caught:
            write_splits(make_config(source, **changes), str(folder), beam.Pipeline(runner=FnApiRunner()))
        assert not [path for path in folder.rglob("*") if path.is_file()]
        return str(caught.value)

    return run

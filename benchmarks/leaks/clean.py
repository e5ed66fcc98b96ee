"""The clean data sets: what Ingest makes of them, sampled so that one audit takes a second or two."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pandas as pd
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.leaks import splits
from benchmarks.leaks.splits import Splits
from components.ingest.component import write_splits
from pipeline import demo_data
from pipeline.config import Config
from pipeline.config_file import load

_CONFIGS = Path(__file__).parents[2] / "pipeline" / "configs"
SHARED = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True)
class CleanSet:
    """Where a clean data set comes from.

    Attributes:
      what: what it is an example of.
      sources: key of the configuration to a file or glob in the folder of the data sets.
      every: one row in so many is kept; of windows, those that begin at a multiple.
      planted: whether defects are planted in it, beside looking for false alarms.
    """

    what: str
    sources: Mapping[str, str] = field(default_factory=dict)
    every: int = 1
    planted: bool = True


SETS: dict[str, CleanSet] = {
    "demo": CleanSet("whole sequences, equal lengths, steps numbered; split by order"),
    "japanese_vowels": CleanSet(
        "whole sequences, unequal lengths, no time; split given",
        {
            "data.source.train": "japanese_vowels/JapaneseVowels_TRAIN.ts",
            "data.source.eval": "japanese_vowels/JapaneseVowels_TEST.ts",
        },
    ),
    "occupancy": CleanSet(
        "windows of one series; split by time, gap 60", {"data.source": "occupancy/data*.txt"}, every=10
    ),
    "occupancy_hours": CleanSet("whole sequences of an hour; split by time", {"": "occupancy/data*.txt"}),
    "cmapss": CleanSet(
        "regression, windows of 100 series; split by series", {"data.source": "cmapss/PM_train.txt"}, every=10
    ),
    "sms_spam": CleanSet("text; split by a hash", {"data.source": "sms_spam/SMSSpamCollection"}),
    "basic_motions": CleanSet(
        "80 sequences; split given",
        {
            "data.source.train": "basic_motions/BasicMotions_TRAIN.ts",
            "data.source.eval": "basic_motions/BasicMotions_TEST.ts",
        },
        planted=False,
    ),
    "imdb": CleanSet(
        "long texts; split given",
        {
            "data.source.train": "imdb/imdb_train_25k.csv.gz",
            "data.source.eval": "imdb/imdb_test_25k.csv.gz",
        },
        every=5,
        planted=False,
    ),
}


@cache
def clean(name: str, data: Path) -> Splits:
    """Ingests a clean data set.

    Args:
      name: a key of `SETS`.
      data: the folder of the data sets.
    """
    with tempfile.TemporaryDirectory() as home:
        config = _config(name, data, Path(home))
        write_splits(config, f"{home}/examples", beam.Pipeline(runner=FnApiRunner()))
        train, evaluation = (splits.read(f"{home}/examples/Split-{split}") for split in ("train", "eval"))
    return _sampled(Splits(config, train, evaluation), SETS[name].every)


def _config(name: str, data: Path, home: Path) -> Config:
    if name == "demo":
        demo_data.make(home / "demo.csv")
        return load(_CONFIGS / "demo.yaml", [f"data.source={home / 'demo.csv'}"])
    if name == "occupancy_hours":
        return _hours(data / SETS[name].sources[""], home / "hours.csv")
    sources = [f"{key}={data / file}" for key, file in SETS[name].sources.items()]
    return load(_CONFIGS / f"{name}.yaml", sources)


def _hours(source: Path, file: Path) -> Config:
    """Occupancy as sequences of 60 minutes: was anybody there in the last one?"""
    parts = [pd.read_csv(part) for part in sorted(source.parent.glob(source.name))]
    rows = pd.concat(parts).sort_values("date", ignore_index=True)
    rows = rows.iloc[: len(rows) // 60 * 60]
    number = np.arange(len(rows)) // 60
    rows["hour"] = [f"h{hour:04d}" for hour in number]
    rows["occupied"] = rows["Occupancy"].to_numpy()[number * 60 + 59]
    rows.drop(columns="Occupancy").to_csv(file, index=False)
    settings: dict[str, Any] = {
        "name": "occupancy_hours",
        "task": "binary",
        "data": {"source": [str(file)], "sequence_id": "hour", "time": "date", "label": "occupied"},
        "split": {"by": "time", "eval_fraction": 0.3, "gap": "1h"},
    }
    return Config.model_validate_json(json.dumps(settings))


def _sampled(data: Splits, every: int) -> Splits:
    """One row in so many; of windows those that a larger stride would have cut, with the rest at hand."""
    if every == 1:
        return data
    window = data.config.data.window
    tables = []
    for table in (data.train, data.eval):
        place = splits.values(table, "window_start") if window else np.arange(len(table))
        tables.append(table.filter(pa.array(place % every == 0)).combine_chunks())
    if not window:
        return data.both(*tables)
    settings = data.config.data.model_copy(update={"window": window.model_copy(update={"stride": every})})
    return Splits(data.config.model_copy(update={"data": settings}), tables[0], tables[1], rest=data.eval)

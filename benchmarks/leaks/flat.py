"""Splits as flat tables, one row per sequence: what a tool for tables can be given."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.leaks import splits
from benchmarks.leaks.splits import Splits

_MOST_COLUMNS = 60  # as values per step; beyond, each feature is summed up


def write_flat(data: Splits, folder: Path, name: str) -> None:
    """Writes `<name>-train.parquet`, `<name>-eval.parquet`, and `<name>.json`, which says what is what."""
    steps = _common_length(data)
    found = [splits.values(table, "sequence_length") for table in (data.train, data.eval)]
    alike = len(np.unique(np.concatenate(found))) == 1
    kinds = {}
    for split, table in (("train", data.train), ("eval", data.eval)):
        flat = _flat(data, table, steps)
        flat = flat.drop(columns="sequence_length") if alike else flat
        flat.to_parquet(folder / f"{name}-{split}.parquet")
        kinds[split] = [column for column in flat.columns if flat[column].dtype == object]
    roles = {"sequence_id", "label", "first_time"}
    categories = sorted({*kinds["train"], *kinds["eval"]} - roles)
    task = "regression" if data.is_regression else "multiclass"
    description = {"categories": categories, "task": task, "time": "step_time" in data.train.column_names}
    (folder / f"{name}.json").write_text(json.dumps(description), encoding="utf-8")


def _common_length(data: Splits) -> int | None:
    """The steps of every sequence of both splits, where they are the same and few."""
    names = [name for name in data.features if name in data.eval.column_names]
    found = np.unique(
        np.concatenate([splits.values(table, "sequence_length") for table in (data.train, data.eval)])
    )
    if len(found) != 1 or found[0] * len(names) > _MOST_COLUMNS:
        return None
    return int(found[0])


def _flat(data: Splits, table: pa.Table, steps: int | None) -> pd.DataFrame:
    columns: dict[str, Any] = {"sequence_id": _texts(splits.values(table, "sequence_id"))}
    if "step_time" in table.column_names:
        columns["first_time"] = _at(table, "step_time", np.zeros(len(table), np.int64))
    label = _at(table, data.label, np.zeros(len(table), np.int64))
    columns["label"] = label
    kept = {"sequence_id", "step_time", "series_id", "window_start", data.label}
    for name in table.column_names:
        if name not in kept:
            columns |= _feature(table, name, steps)
    flat: pd.DataFrame = pd.DataFrame(columns)
    return flat


def _feature(table: pa.Table, name: str, steps: int | None) -> dict[str, Any]:
    """A column per step; or first, last, mean, smallest and largest value."""
    counts = splits.lengths(table, name)
    if counts.max(initial=0) <= 1:
        return {name: _at(table, name, np.zeros(len(table), np.int64))}
    if steps is not None:
        return {f"{name}_{step}": _at(table, name, np.full(len(table), step)) for step in range(steps)}
    found = {
        f"{name}_first": _at(table, name, np.zeros(len(table), np.int64)),
        f"{name}_last": _at(table, name, counts - 1),
    }
    flat = splits.values(table, name)
    if flat.dtype != object:
        groups = pd.Series(flat).groupby(splits.rows_of(table, name))
        for how in ("mean", "min", "max"):
            found[f"{name}_{how}"] = groups.agg(how).reindex(range(len(table))).to_numpy()
    return found


def _at(table: pa.Table, name: str, step: Any) -> Any:
    """[N] the value of each row at a step; nothing where the row has none."""
    flat, begin, counts = (
        splits.values(table, name),
        splits.starts(table, name)[:-1],
        splits.lengths(table, name),
    )
    there = (step >= 0) & (step < counts)
    if flat.dtype == object:
        found = np.full(len(table), None, object)
        found[there] = _texts(flat[(begin + step)[there]])
        return found
    if there.all():
        return flat[begin + step]
    numbers = np.full(len(table), np.nan)
    numbers[there] = flat[(begin + step)[there]]
    return numbers


def _texts(values: Any) -> Any:
    return np.array([value.decode("utf-8", "replace") for value in values], object)

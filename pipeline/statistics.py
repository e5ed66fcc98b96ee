"""TFDV's statistics of a run's Examples as plain data: the content of statistics.json."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline import locations
from pipeline.config import RESERVED_FEATURES

SPLITS = ("train", "eval")

_LENGTH, _TIME = "sequence_length", "step_time"
_CLASSES, _TOP = 100, 10  # labels, and values of a feature, that are named
_DECIMALS = 3  # of TFDV's counts, which it interpolates

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatistics
Feature: TypeAlias = statistics_pb2.FeatureNameStatistics


@dataclass(frozen=True)
class Columns:
    """What the columns of Examples are.

    Attributes:
      kinds: feature to kind, where it is known.
      label: name of the label; None where there is none.
      slices: kept only to slice by.
      time: type of the steps' times in the source, such as `timestamp[us]` or `int64`; None without times.
    """

    kinds: Mapping[str, str]
    label: str | None
    slices: tuple[str, ...] = ()
    time: str | None = None


def read(uri: str) -> dict[str, Statistics]:
    """The statistics of each split in an ExampleStatistics artifact.

    Raises:
      FileNotFoundError: a split has none.
    """
    found = {}
    for split in SPLITS:
        content = locations.read_bytes(f"{uri.rstrip('/')}/Split-{split}/FeatureStats.pb")
        (found[split],) = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
    return found


def statistics_json(splits: Mapping[str, Statistics], columns: Columns) -> dict[str, Any]:
    """The content of statistics.json; what is not finite is null.

    Args:
      splits: split to TFDV's statistics.
      columns: what these are about.
    """
    return {
        "time": columns.time and ("timestamp" if columns.time.startswith("timestamp") else "number"),
        "splits": {split: _split(found, columns) for split, found in splits.items()},
    }


def _split(found: Statistics, columns: Columns) -> dict[str, Any]:
    by_name = {".".join(one.path.step) or one.name: one for one in found.features}
    no_features = {columns.label, *columns.slices, *RESERVED_FEATURES}
    return {
        "sequences": int(found.num_examples),
        "lengths": _summary(by_name[_LENGTH]) if _LENGTH in by_name else None,
        "times": _times(by_name[_TIME], columns.time) if columns.time and _TIME in by_name else None,
        "labels": _labels(by_name[columns.label]) if columns.label in by_name else None,
        "features": {
            name: _summary(one, columns.kinds.get(name))
            for name, one in sorted(by_name.items())
            if name not in no_features
        },
    }


def _summary(found: Feature, kind: str | None = None) -> dict[str, Any]:
    common = _common(found)
    summary: dict[str, Any] = {
        "kind": _kind(found, kind),
        "present": int(common.num_non_missing),
        "missing": int(common.num_missing),
        "values": int(common.tot_num_values),
        "least_values": int(common.min_num_values),
        "most_values": int(common.max_num_values),
        "mean_values": _finite(common.avg_num_values),
    }
    if found.HasField("num_stats"):
        summary |= _of_numbers(found.num_stats)
    elif found.HasField("string_stats"):
        summary |= {"unique": int(found.string_stats.unique), "top": _ranked(found, _TOP)}
    return summary


def _common(found: Feature) -> statistics_pb2.CommonStatistics:
    of_kind = found.WhichOneof("stats")
    return getattr(found, of_kind).common_stats if of_kind else statistics_pb2.CommonStatistics()


def _kind(found: Feature, kind: str | None) -> str:
    """The kind as configured or inferred, where integers are numbers too, else by TFDV's type."""
    if kind in ("category", "text"):
        return kind
    return "number" if kind or found.HasField("num_stats") else "category"


def _of_numbers(found: statistics_pb2.NumericStatistics) -> dict[str, Any]:
    empty = not found.common_stats.tot_num_values  # of which TFDV says 0
    names = {"mean": "mean", "std_dev": "std_dev", "min": "min", "median": "median", "max": "max"}
    return {
        **{name: None if empty else _finite(getattr(found, field)) for name, field in names.items()},
        "zeros": int(found.num_zeros),
        "nan": int(max((one.num_nan for one in found.histograms), default=0)),
        "histogram": _histogram(found),
    }


def _histogram(found: statistics_pb2.NumericStatistics, scale: float = 1.0) -> list[list[float | None]]:
    standard = [one for one in found.histograms if one.type == statistics_pb2.Histogram.STANDARD]
    return [
        [_finite(one.low_value / scale), _finite(one.high_value / scale), _count(one.sample_count)]
        for histogram in standard[:1]
        for one in histogram.buckets
    ]


def _times(found: Feature, time: str) -> dict[str, Any]:
    """Times as in the source, timestamps in seconds since 1970.

    Ingest writes micro- or nanoseconds, whole numbers as they are, and millionths of fractional ones.
    """
    scale = 1.0 if time.startswith("int") else 1e9 if time.startswith("timestamp[ns") else 1e6
    return {"histogram": _histogram(found.num_stats, scale)}


def _labels(found: Feature) -> dict[str, Any]:
    if not found.HasField("string_stats"):
        return _summary(found)
    shown = _ranked(found, _CLASSES)
    total = found.string_stats.common_stats.tot_num_values
    return {"classes": shown, "others": _count(total - sum(count for _, count in shown))}


def _ranked(found: Feature, most: int) -> list[list[Any]]:
    """The most frequent texts and how often each occurs, in TFDV's order, which has the rarer ones last."""
    buckets = found.string_stats.rank_histogram.buckets[:most]
    return [[one.label, _count(one.sample_count)] for one in buckets]


def _count(value: float) -> float | int:
    """A count as an integer, where it is one but for rounding."""
    rounded = round(float(value), _DECIMALS)
    return int(rounded) if rounded.is_integer() else rounded


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

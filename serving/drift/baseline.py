"""What a model was trained on, as far as drift is measured against it: from TFDV's statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import locations
from pipeline.config import FeatureKind
from pipeline.errors import ConfigError

LENGTH = "sequence_length"
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """The range of a number, cut where about a tenth of the training values lies between two cuts.

    A cell holds what is above its lower edge, up to and including the upper one; the first and the last
    hold what training never saw.

    Attributes:
      edges: [cells - 1], the smallest and the largest training value among them.
      counts: [cells] training values; 0 in the outer ones.
    """

    edges: Numbers
    counts: Numbers

    def count(self, values: npt.NDArray[Any]) -> Numbers:
        """How many of some values, without NaN, lie in each cell, [cells]."""
        places = np.searchsorted(self.edges, values.astype(np.float64), side="left")
        # The smallest training value lies in the first inner cell, which it begins.
        places[values == self.edges[0]] = 1
        found: Numbers = np.bincount(places, minlength=len(self.counts)).astype(np.float64)
        return found


@dataclass(frozen=True)
class Feature:
    """One feature in training.

    Attributes:
      name: as in the data.
      kind: how it is read.
      cells: of a number; None of others.
      categories: of a category, value to count, the most frequent ones; else empty.
      missing: share of the steps without a value.
    """

    name: str
    kind: FeatureKind
    cells: Cells | None
    categories: Mapping[str, float]
    missing: float


@dataclass(frozen=True)
class Baseline:
    """A training split.

    Attributes:
      features: those that the model reads.
      lengths: steps of a sequence, counted as a number.
      sequences: how many there were.
      independent: how many of them count as independent steps of their own, see `kish`.
    """

    features: tuple[Feature, ...]
    lengths: Cells
    sequences: int
    independent: float


def read(statistics: str, kinds: Mapping[str, FeatureKind]) -> Baseline:
    """The baseline from the file of statistics that StatisticsGen wrote for the training split.

    Raises:
      ConfigError: it cannot be read, or a feature is not in it.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    try:
        content = statistics_pb2.DatasetFeatureStatisticsList.FromString(locations.read_bytes(statistics))
        (found,) = content.datasets
    except (OSError, ValueError) as error:
        raise ConfigError(f"{statistics}: the training statistics cannot be read ({error})") from error
    by_name = {one.path.step[0] if one.path.step else one.name: one for one in found.features}
    if lost := [name for name in (*kinds, LENGTH) if name not in by_name]:
        raise ConfigError(f"{statistics}: no statistics of {', '.join(lost)}; run the pipeline again")
    length = by_name[LENGTH].num_stats
    steps = length.mean * found.num_examples
    features = tuple(_feature(name, kind, by_name[name], steps) for name, kind in kinds.items())
    independent = kish(found.num_examples, length.mean, length.std_dev)
    return Baseline(features, _cells(length), found.num_examples, independent)


def kish(sequences: int, mean: float, deviation: float) -> float:
    """How many independent steps so many sequences are worth at least.

    Steps of one sequence may all be alike. A share over all steps then varies as one over n draws of
    equal weight, n = (Σ l)² / Σ l² with the lengths l (Kish 1965).
    """
    return sequences * mean**2 / (mean**2 + deviation**2) if mean else 0.0


def _feature(name: str, kind: FeatureKind, found: Any, steps: float) -> Feature:
    if found.HasField("string_stats"):
        common = found.string_stats.common_stats
        categories = {one.label: one.sample_count for one in found.string_stats.rank_histogram.buckets}
        there = common.tot_num_values - categories.get("", 0.0)
        return Feature(name, kind, None, {} if kind == "text" else categories, _share_missing(there, steps))
    cells = _cells(found.num_stats)
    there = cells.counts.sum()
    return Feature(name, kind, cells, {}, _share_missing(there, steps))


def _share_missing(there: float, steps: float) -> float:
    return float(np.clip(1 - there / steps, 0.0, 1.0)) if steps else 0.0


def _cells(found: Any) -> Cells:
    """Cells between the deciles, each once: of a value that fills several of them all is counted at it."""
    buckets = next(one for one in found.histograms if one.type == 1).buckets  # QUANTILES
    buckets = [one for one in buckets if np.isfinite(one.low_value) and np.isfinite(one.high_value)]
    if not buckets:  # not one value in training: whatever comes is new
        return Cells(np.zeros(2), np.zeros(3))
    highs = np.array([one.high_value for one in buckets])
    below = np.cumsum([one.sample_count for one in buckets])
    last = np.append(highs[1:] != highs[:-1], True)
    edges = np.concatenate([[buckets[0].low_value], highs[last]])
    counts = np.diff(below[last], prepend=0.0)
    if len(edges) > 1 and edges[0] == edges[1]:  # all of the first cell lies at its edge
        edges[0] = np.nextafter(edges[0], -np.inf)
    return Cells(edges, np.concatenate([[0.0], counts, [0.0]]))

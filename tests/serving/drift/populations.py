"""Training splits and logs drawn from one distribution, without a pipeline and without files."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config import FeatureKind
from serving.drift import baseline, logged
from serving.drift.baseline import Baseline
from serving.drift.logged import Counts, Log

Sample = tuple[npt.NDArray[np.int64], dict[str, Any]]  # lengths, and feature to the values of all steps


def demo(count: int, random: np.random.Generator) -> Sample:
    """Five numbers at ten steps."""
    features = {f"f{at}": random.normal(size=10 * count).astype(np.float32) for at in range(5)}
    return np.full(count, 10), features


def alike(count: int, random: np.random.Generator) -> Sample:
    """Sequences of 2 to 60 steps that are all alike."""
    lengths = 1 + random.geometric(0.1, count).clip(max=59)
    heavy = np.exp(3 * random.normal(size=count)).astype(np.float32)
    heavy[random.random(count) < 0.1] = np.nan
    shares = np.array([40, 25, 15, 8, 5, 4, 2, 1]) / 100
    found = {
        "normal": random.normal(size=count).astype(np.float32),
        "heavy": heavy,
        "whole": random.poisson(4, count).astype(np.float32),
        "colour": random.choice(list("abcdefgh"), count, p=shares),
    }
    return lengths, {name: np.repeat(one, lengths) for name, one in found.items()}


def trained(sample: Sample, kept: Path | None = None) -> Baseline:
    """The baseline of a training split, by TFDV's own statistics of it; these are kept in a file."""
    from tensorflow_data_validation.statistics import stats_impl

    lengths, features = sample
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    columns = {name: pa.ListArray.from_arrays(offsets, pa.array(one)) for name, one in features.items()}
    columns[baseline.LENGTH] = pa.array([[int(one)] for one in lengths])
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    kinds: dict[str, FeatureKind] = {
        name: "float" if one.dtype == np.float32 else "category" for name, one in features.items()
    }
    with TemporaryDirectory() as folder:
        path = kept or Path(folder, "FeatureStats.pb")
        path.write_bytes(stats_impl.generate_statistics_in_memory(batch).SerializeToString())
        return baseline.read(str(path), kinds)


def counted(sample: Sample, against: Baseline) -> Log:
    """A log, counted as one that is read."""
    lengths, features = sample
    log = Log({one.name: Counts() for one in against.features}, np.asarray(lengths, np.int64))
    for feature in against.features:
        values = features[feature.name]
        text = values.dtype != np.float32
        array = pa.array(values.tolist(), pa.string()).cast(pa.binary()) if text else pa.array(values)
        logged.add(log.features[feature.name], feature, array)
    return log

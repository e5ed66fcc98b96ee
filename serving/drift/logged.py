"""Counts logged requests in the cells of a baseline: columns at a time, in bounded memory."""

import glob
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.auditor import records
from components.auditor.contract import BYTES, FLOAT, INT
from components.auditor.records import Batch, Damaged, Source
from pipeline.errors import ConfigError
from serving.drift.baseline import Baseline, Feature, Numbers, kish

_RECORDS_AT_ONCE = 4096
_KEPT_CATEGORIES = 20_000  # of one feature; beyond it the rarest are forgotten
_KEPT_TEXTS = 20_000
_TYPES = {"float": FLOAT, "integer": INT, "category": BYTES, "text": BYTES}

Lengths = npt.NDArray[np.int64]


@dataclass
class Counts:
    """What is counted of one feature.

    Attributes:
      cells: of a number, as in `Cells`.
      categories: of a category.
      there: steps with a value.
      texts: the first ones of a text.
    """

    cells: Numbers | None = None
    categories: Counter[str] = field(default_factory=Counter)
    there: int = 0
    texts: list[bytes] = field(default_factory=list)


@dataclass
class Log:
    """A log, counted.

    Attributes:
      features: feature to what was counted.
      lengths: [sequences].
      damaged: files that end before their end, in words.
      unreadable: records that are no tf.Example.
      unknown: features that the model does not read.
    """

    features: dict[str, Counts]
    lengths: Lengths = field(default_factory=lambda: np.zeros(0, np.int64))
    damaged: list[str] = field(default_factory=list)
    unreadable: int = 0
    unknown: set[str] = field(default_factory=set)

    @property
    def sequences(self) -> int:
        """How many there are."""
        return len(self.lengths)

    @property
    def steps(self) -> int:
        """Steps of all sequences."""
        return int(self.lengths.sum())

    @property
    def independent(self) -> float:
        """Independent steps that they are worth at least, see `kish`."""
        if not len(self.lengths):
            return 0.0
        return kish(self.sequences, float(self.lengths.mean()), float(self.lengths.std()))


def files_of(where: str) -> list[str]:
    """The files of a log: those of a folder, unfinished ones too, or of a glob.

    Raises:
      ConfigError: there are none.
    """
    place = Path(where)
    if place.is_dir():
        found = [path for path in place.iterdir() if ".tfrecord" in path.name or path.suffix == ".gz"]
    else:
        found = [Path(path) for path in glob.glob(where, recursive=True)]
    files = sorted(str(path) for path in found if path.is_file() and path.stat().st_size)
    if not files:
        raise ConfigError(
            f"LOG: no requests in {where}",
            ["give a folder, file or glob of TFRecords of tf.Example, as RequestLog writes them"],
        )
    return files


def count(files: list[str], baseline: Baseline) -> Log:
    """Counts all records of a log; what follows damage in a file is left out, and said.

    Raises:
      ConfigError: no record can be read, or features of the model are in none of them.
    """
    log = Log({one.name: Counts() for one in baseline.features})
    types = {one.name: _TYPES[one.kind] for one in baseline.features}
    lengths = []
    for batch in _batches(files, types, log):
        log.unreadable += len(batch.unreadable)
        log.unknown |= set(batch.columns) - set(types)
        lengths.append(_lengths(batch, types))
        for feature in baseline.features:
            if (column := batch.columns.get(feature.name)) is not None:
                add(log.features[feature.name], feature, column.values)
    log.lengths = np.concatenate([*lengths, np.zeros(0, np.int64)])
    _refuse_other_models(log, files, baseline)
    return log


def _batches(files: list[str], types: Mapping[str, str], log: Log) -> Iterator[Batch]:
    for number, path in enumerate(files):
        try:
            yield from records.read(Source("log", path, number), types, _RECORDS_AT_ONCE)
        except Damaged as damaged:
            whole = records.record_of(damaged.ref)
            why = str(damaged).partition(" [Op:")[0]
            log.damaged.append(f"{path}: read up to record {whole:,}, then: {why}")


def _lengths(batch: Batch, types: Mapping[str, str]) -> Lengths:
    """Steps of each sequence: those of its longest feature, as the model counts them."""
    found = [column.lengths for name, column in batch.columns.items() if name in types]
    return np.max(np.stack(found), axis=0).astype(np.int64) if found else np.zeros(len(batch), np.int64)


def add(counts: Counts, feature: Feature, values: pa.Array) -> None:
    """Counts the values of some steps of a feature."""
    if feature.cells is not None:
        numbers = values.to_numpy(zero_copy_only=False)
        finite = numbers[np.isfinite(numbers)]  # the model takes what is not for missing, too
        found = feature.cells.count(finite)
        counts.cells = found if counts.cells is None else counts.cells + found
        counts.there += len(finite)
        return
    counts.there += int(pc.sum(pc.greater(pc.binary_length(values), 0)).as_py() or 0)
    if feature.kind == "text":
        counts.texts += values.slice(0, _KEPT_TEXTS - len(counts.texts)).to_pylist()
        return
    found = values.value_counts()
    labels = [_text(one) for one in found.field("values").to_pylist()]
    counts.categories.update(dict(zip(labels, found.field("counts").to_pylist(), strict=True)))
    if len(counts.categories) > _KEPT_CATEGORIES:
        counts.categories = Counter(dict(counts.categories.most_common(_KEPT_CATEGORIES)))


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _refuse_other_models(log: Log, files: list[str], baseline: Baseline) -> None:
    if not log.sequences:
        why = log.damaged[:1] or [f"{log.unreadable:,} records are no tf.Example"]
        raise ConfigError(f"LOG: no request in {len(files)} files can be read", why)
    absent = [name for name, counts in log.features.items() if not _seen(counts)]
    if absent:
        others = f"; it has {', '.join(sorted(log.unknown)[:8])}" if log.unknown else ""
        raise ConfigError(
            f"LOG: {len(absent)} of {len(baseline.features)} features are in none of "
            f"{log.sequences:,} requests: {', '.join(absent[:8])}{others}",
            ["give the log of this model; one with no value of a feature at all is not compared"],
        )


def _seen(counts: Counts) -> bool:
    return counts.cells is not None or bool(counts.categories or counts.texts or counts.there)

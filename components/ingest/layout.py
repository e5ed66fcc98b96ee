"""What a source looks like, found out before it is read: its files, its columns and their kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.ingest import csv_file, parquet_file, text_file, tfrecord_file, ts_file
from components.ingest.inference import first_moment, infer_kind
from components.ingest.names import refuse_unusable
from components.ingest.parsing import family
from components.ingest.problems import SHOWN, one_line, refusal, with_more
from pipeline import locations
from pipeline.config import Config, Data, FeatureKind, GivenSource, expand
from pipeline.errors import DataRefused

READERS = {
    "csv": csv_file,
    "parquet": parquet_file,
    "ts": ts_file,
    "tfrecord": tfrecord_file,
    "text": text_file,
}
_SAMPLED_FILES = 20


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
      path: where it is.
      name: what ids made of it begin with; differs from file to file.
      split: `train` or `eval` where the split is given.
    """

    path: str
    name: str
    split: str | None = None


@dataclass(frozen=True)
class Layout:
    """What every worker needs to know to read the source.

    Attributes:
      config: the configuration.
      files: in the order of their names.
      kinds: feature to kind, in the order of the columns.
      inferred: whether the kinds were inferred.
      time: type of one moment; None where steps have no time.
      columns: names of all columns in the first rows; empty where they do not matter.
    """

    config: Config
    files: tuple[SourceFile, ...]
    kinds: Mapping[str, FeatureKind]
    inferred: bool
    time: pa.DataType | None
    columns: frozenset[str] = frozenset()

    @property
    def data(self) -> Data:
        """The configuration's data section."""
        return self.config.data

    @property
    def source_bytes(self) -> int:
        """Size of all files."""
        return sum(locations.size(file.path) for file in self.files)

    @property
    def has_label(self) -> bool:
        """Whether there is a label; what learns the next step needs none."""
        return self.config.task != "generation"

    @property
    def label_is_number(self) -> bool:
        """Whether the label is a number, not a class."""
        return self.config.task == "regression"


def look(config: Config) -> Layout:
    """Looks at the beginning of the files.

    Raises:
      DataRefused: a file has no content, its columns are not the others' or not the configuration's.
      ConfigError: a source matches no file.
    """
    files = _files(config)
    samples = _samples(config, files)
    sample = pa.concat_tables([_like(each, samples[0]) for each in samples])
    roles = _roles(config)
    columns = [name for name in sample.column_names if name not in roles]
    kinds = dict(config.data.features or {})
    if not kinds:
        candidates = [name for name in columns if name not in (*config.data.ignore, *config.data.slices)]
        # Of a text each token is a category, also where it reads as a number.
        kinds = {text_file.COLUMN: "category"} if config.format == "text" else _infer(candidates, sample)
    refuse_unusable([*kinds, *config.data.slices, *([config.label] if config.task != "generation" else [])])
    time = None
    moments = ts_file.TIME if config.format == "ts" else config.data.time
    if moments in sample.column_names:
        found = [first_moment(each.column(moments)) for each in samples]
        finest = [kind for kind in found if kind is not None and "ns" in str(kind)]
        time = (finest or found)[0]
        if time is None:
            raise DataRefused(
                f"{files[0].path}: column {moments} holds no time",
                [
                    "expected numbers or ISO 8601 timestamps such as 2015-02-04 17:51:00, "
                    f"got {sample.column(moments)[0].as_py()!r}"
                ],
            )
    return Layout(config, files, kinds, not config.data.features, time, frozenset(sample.column_names))


def _files(config: Config) -> tuple[SourceFile, ...]:
    source = config.data.source
    if isinstance(source, GivenSource):
        found = [("train", path) for path in expand(source.train)]
        found += [("eval", path) for path in expand(source.eval)]
    else:
        found = [("", path) for path in expand(source)]
    names = _unique_names([path for _, path in found])
    sides = [{path for split, path in found if split == side} for side in ("train", "eval")]
    if both := sorted(sides[0] & sides[1]):
        raise DataRefused(
            "files are in both splits", [f"{path}: name it in train or in eval" for path in both]
        )
    return tuple(
        SourceFile(path, name, split or None) for (split, path), name in zip(found, names, strict=True)
    )


def _unique_names(paths: list[str]) -> list[str]:
    """The files' names without suffix, with as many folders before them as tell all apart."""
    bare = [Path(path.removesuffix(".gz")) for path in paths]
    bare = [path.with_suffix("") for path in bare]
    for depth in range(1, max(len(path.parts) for path in bare) + 1):
        names = ["/".join(path.parts[-depth:]) for path in bare]
        if len(set(names)) == len(set(paths)):
            return names
    return paths


def _samples(config: Config, files: tuple[SourceFile, ...]) -> list[pa.Table]:
    """The first rows of the first files, all with the same columns."""
    reader = READERS[str(config.format)]
    expected: list[str] = []
    samples: list[pa.Table] = []
    problems: list[str] = []
    for file in files:
        try:
            names = reader.columns(file.path, config.data)
            expected = expected or names
            if sorted(names) != sorted(expected):
                raise DataRefused(
                    f"{file.path}: other columns than in {files[0].path}",
                    [f"expected {', '.join(expected)}, got {', '.join(names)}"],
                )
            if len(samples) < _SAMPLED_FILES:
                samples.append(reader.sample(file.path, config.data).select(expected))
        except DataRefused as refused:
            problems.append(one_line(refused))
    if len(problems) == 1:
        raise refusal(problems[0])
    if problems:
        shown = with_more(problems[:SHOWN], len(problems))
        raise DataRefused(f"{len(problems):,} files cannot be used", shown)
    _refuse_missing(config, files[0].path, expected)
    _refuse_other_types(config, files, samples)
    return samples


def _refuse_other_types(config: Config, files: tuple[SourceFile, ...], samples: list[pa.Table]) -> None:
    """Raises DataRefused where a column holds text in one file and numbers, say, in another."""
    used = [name for name in samples[0].column_names if name not in config.data.ignore]
    problems = []
    for file, each in zip(files, samples, strict=False):
        for name in used:
            one, other = samples[0].column(name).type, each.column(name).type
            if len({family(one), family(other)} - {"nothing"}) > 1:
                problems.append(
                    f"{file.path}, column {name}: expected {one} as in {files[0].path}, got {other}"
                )
    if problems:
        raise DataRefused(
            "columns of other types than in the first file", with_more(problems[:SHOWN], len(problems))
        )


def _like(sample: pa.Table, first: pa.Table) -> pa.Table:
    try:
        return sample.cast(first.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        # Of other types: read as the first file's, with an error for what does not fit.
        return first.slice(0, 0)


def _roles(config: Config) -> set[str]:
    data = config.data
    named = {data.sequence_id, data.time, data.label_time, ts_file.TIME if config.format == "ts" else None}
    if config.task != "generation" and data.label_from is None:
        named.add(config.label)
    return {name for name in named if name is not None}


def _refuse_missing(config: Config, path: str, names: list[str]) -> None:
    data = config.data
    wanted = {**dict.fromkeys(_roles(config) - {ts_file.TIME}), **dict.fromkeys(data.ignore)}
    wanted |= {**dict.fromkeys(data.features or ()), **dict.fromkeys(data.slices)}
    if config.format == "ts" and config.label in wanted and config.label not in names:
        raise DataRefused(
            f"{path}: the cases have no label",
            [f"expected @classLabel true or @targetLabel true, for {config.task} learns it"],
        )
    if missing := [name for name in wanted if name not in names]:
        raise DataRefused(
            f"{path}: columns are missing",
            [f"{name!r} is in the configuration; the file has {', '.join(names)}" for name in missing],
        )


def _infer(names: list[str], sample: pa.Table) -> dict[str, FeatureKind]:
    if not names:
        raise DataRefused(
            "no column is left that could be a feature",
            [
                "the label is never one; to forecast a series from its own past, give that column "
                "a second time under another name, or use task: generation"
            ],
        )
    kinds: dict[str, FeatureKind] = {}
    problems = []
    for name in names:
        kind, doubt = infer_kind(sample.column(name))
        kinds[name] = kind
        if doubt:
            problems.append(f"column {name}: {doubt}")
    if problems:
        raise DataRefused(
            "columns whose kind cannot be told: put them in data.ignore, or all features in data.features",
            problems,
        )
    return kinds

"""What a well-formed configuration may still have wrong: contradictions, and what is not available yet."""

import difflib
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import RESERVED_FEATURES, Config, GivenSource, source_paths

NO_SOURCE = "no-source"  # stands for a source that is missing or wrong, so that the rest can be checked
METRICS = {"multiclass": ("accuracy", "log_loss", "precision", "recall", "f1", "auc")}
AVERAGED = ("precision", "recall", "f1", "auc")  # as <name>_macro, or <name>[class]

# What the configuration already names and no stage does yet. `None`: the whole key, otherwise these values.
NOT_YET: dict[str, tuple[str, ...] | None] = {
    "task": ("binary", "regression", "generation"),
    "data.format": ("parquet", "tfrecord"),
    "data.payload": None,
    "data.label_time": None,
    "data.slices": None,
    "data.window": None,
    "split.gap": None,
    "audit.severity": None,
    "model.embedding": None,
    "model.vocabulary": None,
    "training.class_weight": ("balanced",),
    "gate.confidence": None,
    "gate.min_slice_size": None,
    "gate.small_slices": None,
    "gate.max_overfit_gap": None,
    "gate.beat_trivial_by": None,
    "gate.max_drop": None,
    "push.keep": None,
    "run.runner": ("beam",),
}
FEATURE_KINDS_NOT_YET = ("category", "text")


def not_yet(raw: dict[str, Any]) -> list[str]:
    """Keys and values of a raw configuration that no stage acts on yet; they are refused, never ignored."""
    problems = []
    for dotted, values in NOT_YET.items():
        node: Any = raw
        for key in dotted.split("."):
            node = node.get(key) if isinstance(node, dict) else None
        if node is None:
            continue
        if values is None or isinstance(node, dict):
            problems.append(f"{dotted}: not available yet; leave it out")
        elif node in values:
            problems.append(f"{dotted}: {node} is not available yet")
    kinds = raw.get("data", {}).get("features") if isinstance(raw.get("data"), dict) else None
    for feature, kind in kinds.items() if isinstance(kinds, dict) else ():
        if kind in FEATURE_KINDS_NOT_YET:
            problems.append(f"data.features.{feature}: {kind} is not available yet; put it in data.ignore")
    return problems


def contradictions(config: Config) -> list[str]:
    """What is well-formed but cannot work together."""
    return [
        *_format_problems(config),
        *_column_problems(config),
        *_split_problems(config),
        *_gate_problems(config),
    ]


def _format_problems(config: Config) -> Iterator[str]:
    data, kind = config.data, config.format
    if kind is None and NO_SOURCE not in source_paths(data):
        yield "data.format: cannot tell it from the file name; give csv or ts"
    if kind == "csv" and data.sequence_id is None:
        yield "data.sequence_id: required for csv: the column whose equal values form one sequence"
    if kind == "csv" and data.label is None:
        yield f"data.label: required for {config.task}: the column that holds the class"
    if kind == "ts":
        for key in ("sequence_id", "time", "features"):
            if getattr(data, key):
                yield f"data.{key}: a ts file has no named columns; leave it out"


def _column_problems(config: Config) -> Iterator[str]:
    data = config.data
    features, ignored = set(data.features or ()), set(data.ignore)
    seen: dict[str, str] = {}
    for role in ("sequence_id", "time", "label"):
        column = getattr(data, role)
        if column is None:
            continue
        if column in seen:
            yield f"data.{role}: {column} is already data.{seen[column]}; one column has one role"
        seen.setdefault(column, role)
        if column in features:
            read = "the answer" if role == "label" else "it"
            yield (
                f"data.features.{column}: {column} is also data.{role}, so the model would read {read}; "
                "remove it from data.features"
            )
        if column in ignored:
            yield f"data.ignore: {column} is also data.{role}; it cannot be left out"
    for column in sorted(features & ignored):
        yield f"data.ignore: {column} is also in data.features; keep it in one of them"
    for column in sorted((features | {config.label}) & set(RESERVED_FEATURES)):
        yield f"{column}: this name is taken by what ingest writes; rename the column"


def _split_problems(config: Config) -> Iterator[str]:
    split, given = config.split, isinstance(config.data.source, GivenSource)
    if config.split_by == "given" and not given:
        yield "split.by: given needs data.source: {train: …, eval: …}"
    if given and config.split_by != "given":
        yield f"split.by: {config.split_by} contradicts data.source, which names train and eval; use given"
    if config.split_by == "given" and (split.eval_fraction is not None or split.cutoff is not None):
        yield "split: eval_fraction and cutoff have no meaning where the split is given; leave them out"
    if config.split_by == "time" and config.data.time is None:
        yield "split.by: time needs data.time, the column that orders the steps"
    if split.cutoff is not None and config.split_by != "time":
        yield f"split.cutoff: has no meaning with split.by {config.split_by}; leave it out"
    if split.cutoff is not None and split.eval_fraction is not None:
        yield "split: give eval_fraction or cutoff, not both"
    if config.format == "ts" and not given:
        yield "data.source: a ts archive comes as two files; give {train: …, eval: …}"


def _gate_problems(config: Config) -> Iterator[str]:
    known = metric_names(config.task)
    for index, threshold in enumerate(config.gate.thresholds):
        where = f"gate.thresholds.{index}"
        if threshold.min is None and threshold.max is None:
            yield f"{where}: expected min or max"
        if threshold.min is not None and threshold.max is not None and threshold.min > threshold.max:
            yield f"{where}: min {threshold.min} is more than max {threshold.max}"
        if threshold.metric not in known and not _per_class(threshold.metric):
            yield f"{where}.metric: unknown for {config.task}: {threshold.metric}" + nearest(
                threshold.metric, known
            )
        if threshold.slice is not None and threshold.slice not in config.gate.slices:
            yield f"{where}.slice: {threshold.slice} is not in gate.slices"
    for name in config.gate.slices:
        if name not in ("sequence_length", "label"):
            yield f"gate.slices: {name} is not available yet; known: sequence_length, label"


def metric_names(task: str) -> list[str]:
    """The metrics a task can be held to; precision, recall, f1 and auc also as `name[class]`."""
    names = METRICS.get(task, ())
    return [f"{name}_macro" if name in AVERAGED else name for name in names]


def _per_class(metric: str) -> bool:
    name, bracket, rest = metric.partition("[")
    return bool(bracket) and rest.endswith("]") and len(rest) > 1 and name in AVERAGED


def missing_files(config: Config) -> Iterator[str]:
    """Sources and schema that do not exist; remote ones are not looked for."""
    for path in source_paths(config.data):
        if path != NO_SOURCE and "://" not in path and not glob.glob(path, recursive=True):
            yield f"data.source: no file matches {path}"
    if config.schema_ and "://" not in config.schema_ and not Path(config.schema_).is_file():
        yield f"schema: no such file: {config.schema_}"


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint at what was meant: the closest known word, else all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else f" (known here: {', '.join(known)})" if known else ""

"""What a well-formed configuration may still have wrong: contradictions, and what is not available yet."""

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components.auditor.checks import CHECKS
from components.verdict.slices import has_classes, sliced_by
from pipeline.config import RESERVED_FEATURES, Config, GivenSource, format_of, matches, source_paths

NO_SOURCE = "no-source"  # stands for a source that is missing or wrong, so that the rest can be checked
AVERAGED = ("precision", "recall", "f1", "auc", "pr_auc")  # as <name>_macro, or <name>[class]
_OF_CLASSES = (
    "accuracy", "balanced_accuracy", "log_loss", "calibration_error",
    *(f"{name}_macro" for name in AVERAGED), "precision_micro", "recall_micro", "f1_micro",
)  # fmt: skip
_OF_NUMBERS = ("mse", "rmse", "mae")
# What each task can be held to; of a generation's tokens, or of its values where the sequence is of numbers.
METRICS = {
    "binary": (*AVERAGED, *_OF_CLASSES),  # without a suffix: of the positive class
    "multiclass": (*_OF_CLASSES, "top_3_error", "top_5_error"),
    "regression": (*_OF_NUMBERS, "r2", "bias"),
    "generation": ("log_loss", "perplexity", "bits_per_token", "accuracy", "bleu", *_OF_NUMBERS),
}

# What the configuration already names and no stage does yet. `None`: the whole key, otherwise these values.
NOT_YET: dict[str, tuple[str, ...] | None] = {
    "gate.confidence": None,
    "gate.min_slice_size": None,
    "gate.small_slices": None,
    "gate.max_overfit_gap": None,
    "gate.beat_trivial_by": None,
    "gate.max_drop": None,
    "push.keep": None,
    "run.runner": ("beam",),
}


def not_yet_trained(config: Config) -> list[str]:
    """What `check` takes and `run` does not: no stage after the auditor can use it yet."""
    if not config.gate.thresholds:
        return ["gate.thresholds: required to run, for there is no default policy yet; give a bound"]
    return []


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
    return problems


def contradictions(config: Config) -> list[str]:
    """What is well-formed but cannot work together."""
    checks = (
        _format_problems, _label_problems, _task_problems, _unnamed_problems, _column_problems,
        _split_problems, _audit_problems, _gate_problems, _remote_problems,
    )  # fmt: skip
    return [problem for check in checks for problem in check(config)]


_KNOWN_FORMATS = "csv, parquet, ts, tfrecord or text"


def _format_problems(config: Config) -> Iterator[str]:
    data, kind = config.data, config.format
    formats = {format_of(path) for path in source_paths(data)} if data.format is None else {data.format}
    if NO_SOURCE in source_paths(data):
        return
    if len(formats) > 1:
        yield f"data.format: the files have names of different formats; give {_KNOWN_FORMATS}"
    elif kind is None:
        yield f"data.format: cannot tell it from the file name; give {_KNOWN_FORMATS}"
    if "tokens" in data.model_fields_set and kind not in ("text", None):
        yield f"data.tokens: only text has them, not {kind}; leave it out"
    for key in ("columns", "header", "delimiter", "quoted"):
        if key in data.model_fields_set and kind not in ("csv", None):
            yield f"data.{key}: only csv has it, not {kind}; leave it out"
    if "payload" in data.model_fields_set and kind not in ("tfrecord", None):
        yield f"data.payload: only tfrecord has it, not {kind}; leave it out"


def _label_problems(config: Config) -> Iterator[str]:
    """What a task needs to know of its label, or has no use for."""
    data, kind = config.data, config.format
    if config.task == "generation":
        for key in ("label", "label_from", "label_time"):
            if getattr(data, key) is not None:
                yield f"data.{key}: generation learns the next step and has no label; leave it out"
        if data.window is not None and "horizon" in data.window.model_fields_set:
            yield "data.window.horizon: generation has no label to lie ahead; leave it out"
    elif kind == "text":
        yield f"data.format: text has no label to learn; {config.task} needs another format"
    elif kind not in ("ts", None) and data.label is None and data.label_from is None:
        holds = "number" if config.task == "regression" else "class"
        yield f"data.label: required for {config.task}: the column that holds the {holds}"
    if data.label_from is not None and (config.task != "regression" or data.window is None):
        yield f"data.label_from: {data.label_from} is a number at each step; it needs regression and a window"
    if data.label_time is not None and data.time is None:
        yield "data.label_time: needs data.time, to be compared with"


def _task_problems(config: Config) -> Iterator[str]:
    """Keys that only some tasks have a use for."""
    task, data, model, training = config.task, config.data, config.model, config.training
    if data.label_max is not None and task != "regression":
        yield f"data.label_max: only regression has numbers as labels, not {task}; leave it out"
    if data.positive is not None and task != "binary":
        yield f"data.positive: only binary has a positive class, not {task}; leave it out"
    if training.class_weight != "none" and task not in ("binary", "multiclass"):
        yield f"training.class_weight: {task} has no classes; leave it out"
    if task != "generation":
        return
    if data.window is not None and data.window.length < 2:
        yield "data.window.length: generation learns the next step, and a window of 1 has none; use 2 or more"
    if model.bidirectional:
        yield "model.bidirectional: generation learns the next step and must not read it; use false"
    kinds = list((data.features or {}).values())
    if len(kinds) > 1 and {"category", "text"} & set(kinds):
        yield "data.features: generation learns one feature of tokens, or numbers only; keep these"


def _unnamed_problems(config: Config) -> Iterator[str]:
    """Names of columns, where a format has none."""
    data, kind = config.data, config.format
    if kind in ("ts", "text"):
        for key in ("sequence_id", "time", "features", "ignore", "slices", "label_time"):
            if getattr(data, key):
                yield f"data.{key}: a {kind} file has no named columns; leave it out"
    if kind == "ts" and re.fullmatch(r"dim_\d+|timestamps", config.label):
        yield f"data.label: {config.label} is the name of a column of a ts file; choose another"


def _column_problems(config: Config) -> Iterator[str]:
    data = config.data
    features, ignored, slices = set(data.features or ()), set(data.ignore), set(data.slices)
    seen: dict[str, str] = {}
    roles = [
        role for role in ("sequence_id", "time", "label", "label_time") if getattr(data, role) is not None
    ]
    if data.label_from is not None:
        roles.remove("label") if "label" in roles else None
    for role in roles:
        column = getattr(data, role)
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
    for column in sorted(slices & (features | ignored | set(seen))):
        yield f"data.slices: {column} has another role as well; a slice is kept only to slice by"
    for column in sorted((features | slices | {config.label}) & set(RESERVED_FEATURES)):
        yield f"{column}: this name is taken by what ingest writes; rename the column"


def _split_problems(config: Config) -> Iterator[str]:
    split, given = config.split, isinstance(config.data.source, GivenSource)
    if config.split_by == "given" and not given:
        yield "split.by: given needs data.source: {train: …, eval: …}"
    if given and config.split_by != "given":
        yield f"split.by: {config.split_by} contradicts data.source, which names train and eval; use given"
    if config.split_by == "given" and (split.eval_fraction is not None or split.cutoff is not None):
        yield "split: eval_fraction and cutoff have no meaning where the split is given; leave them out"
    if config.split_by == "time" and config.data.time is None and config.format != "ts":
        yield "split.by: time needs data.time, the column that orders the steps"
    if config.split_by == "sequence" and config.one_series:
        yield "split.by: one series cannot be split by sequence; use time or order, or give data.sequence_id"
    if split.cutoff is not None and config.split_by != "time":
        yield f"split.cutoff: has no meaning with split.by {config.split_by}; leave it out"
    if split.cutoff is not None and split.eval_fraction is not None:
        yield "split: give eval_fraction or cutoff, not both"
    yield from _gap_problems(config)


def _gap_problems(config: Config) -> Iterator[str]:
    split, windows = config.split, config.data.window is not None
    if not split.gap:
        return
    if config.split_by not in ("time", "order"):
        yield f"split.gap: has no meaning with split.by {config.split_by}; leave it out"
    elif split.gap_us and config.split_by != "time":
        yield f"split.gap: {split.gap} needs split.by time; give a number of steps"
    elif split.gap_steps and not windows:
        yield "split.gap: steps are left out between windows; for whole sequences give a duration such as 7d"


def _audit_problems(config: Config) -> Iterator[str]:
    for name in config.audit.severity:
        if name not in CHECKS:
            yield f"audit.severity, {name}: no such check{nearest(name, list(CHECKS))}"


def _gate_problems(config: Config) -> Iterator[str]:
    known = metric_names(config.task)
    for threshold in config.gate.thresholds:
        metric, low, high = threshold.metric, threshold.min, threshold.max
        if low is None and high is None:
            yield f"gate.thresholds, {metric}: expected min or max"
        if low is not None and high is not None and low > high:
            yield f"gate.thresholds, {metric}: min {low:g} is more than max {high:g}"
        if metric not in known and not _per_class(config, metric):
            hint = nearest(metric, known)
            if config.task == "multiclass" and metric in AVERAGED:
                hint = f" (did you mean {metric}_macro or {metric}[class]?)"
            yield f"gate.thresholds, {metric}: no such metric for {config.task}{hint}"
    yield from _gate_slice_problems(config)


def _gate_slice_problems(config: Config) -> Iterator[str]:
    for threshold in config.gate.thresholds:
        key, where = f"gate.thresholds, {threshold.metric}", threshold.slice
        if where is not None and where not in config.gate.slices:
            yield f"{key}: the slice {where} is not in gate.slices"
        elif where == "label" and not has_classes(config):
            yield f"{key}: the slice label needs classes, which {config.task} has not"
        elif where == "label" and config.task == "binary" and threshold.metric in AVERAGED:
            yield (
                f"{key}: it is that of the positive class, and a slice by label holds one class only; "
                f"without slice, {threshold.metric}[class] is that of a class"
            )
    for name in config.gate.slices:
        if name not in ("sequence_length", "label"):
            yield f"gate.slices: {name} is not available yet; known: sequence_length, label"
        elif name == "label" and name in sliced_by(config) and not has_classes(config):
            yield f"gate.slices: label needs classes, which {config.task} has not; leave it out"


def metric_names(task: str) -> list[str]:
    """The metrics a task can be held to; those of AVERAGED also as `name[class]` where it has classes."""
    return list(METRICS[task])


def _per_class(config: Config, metric: str) -> bool:
    name, bracket, rest = metric.partition("[")
    named = bool(bracket) and rest.endswith("]") and len(rest) > 1
    return named and name in AVERAGED and has_classes(config)


def missing_files(config: Config) -> Iterator[str]:
    """What the configuration names and this machine does not have, or has in another form."""
    for path in source_paths(config.data):
        if path == NO_SOURCE or "://" in path:
            continue
        if Path(path).is_dir():
            yield f"data.source: {path} is a folder; give its files, such as {Path(path, '*.csv')}"
        elif not matches(path):
            yield f"data.source: no file matches {path}"
    if config.schema_:
        yield from _schema_problems(Path(config.schema_))
    existing = next(path for path in (Path(config.push.to), *Path(config.push.to).parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield f"push.to: cannot write to {existing}; give a folder that can be made and written"


def _schema_problems(path: Path) -> Iterator[str]:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except OSError as error:
        yield f"schema: cannot read {path} ({error.strerror})"
    except (UnicodeDecodeError, text_format.ParseError) as error:
        yield f"schema: {path} is no schema in text format ({error})"


def _remote_problems(config: Config) -> Iterator[str]:
    places = [("data.source", path) for path in source_paths(config.data)]
    for key, place in (*places, ("push.to", config.push.to), ("run.root", config.run.root)):
        if "://" in place:
            yield f"{key}: {place}: remote places are not available yet; give a local one"


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint at what was meant: the closest known word, else all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else f" (known here: {', '.join(known)})" if known else ""

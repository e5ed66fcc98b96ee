"""What a well-formed configuration may still have wrong: contradictions, and what this machine lacks."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from components.auditor.checks import CHECKS
from components.servability.versions import known_versions
from pipeline import locations, metadata_connection
from pipeline.config import RESERVED_FEATURES, Config, GivenSource, format_of, source_paths
from pipeline.errors import SluiceError
from pipeline.gate_checks import gate_problems
from pipeline.kubeflow_checks import kubeflow_problems
from pipeline.words import nearest
from serving import docker_server

NO_SOURCE = "no-source"  # stands for a source that is missing or wrong, so that the rest can be checked


def contradictions(config: Config) -> list[str]:
    """What is well-formed but cannot work together."""
    checks = (
        _format_problems, _label_problems, _task_problems, _unnamed_problems, _column_problems,
        _split_problems, _audit_problems, gate_problems, _servability_problems, _remote_problems,
        _metadata_problems, kubeflow_problems,
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


def _servability_problems(config: Config) -> Iterator[str]:
    settings, known = config.servability, known_versions()
    if settings.version not in known:
        yield (
            f"servability.tf_serving: the ops of TensorFlow Serving {settings.version} are not known here; "
            f"use one of {', '.join(known)}"
        )
    image = settings.tf_serving_image
    if image is not None and not re.fullmatch(r"\S+/\S+:[\w.-]+", image):
        example = docker_server.IMAGE
        yield f"servability.tf_serving_image: expected an image with its tag, such as {example}; got {image}"


def missing_files(config: Config) -> Iterator[str]:
    """What the configuration names and this machine does not have, or has in another form."""
    for path in source_paths(config.data):
        if path != NO_SOURCE:
            yield from _source_problems(path)
    if config.schema_:
        yield from _schema_problems(config.schema_)
    if config.servability.tf_serving_image and not docker_server.engine_answers():
        yield (
            "servability.tf_serving_image: no Docker engine answers here; start it, or leave the key out: "
            "the model is loaded and asked without Docker in any case"
        )
    yield from _writable_problems("push.to", config.push.to)
    if config.run.artifacts:
        yield from _writable_problems("run.artifacts", config.run.artifacts)


def _source_problems(path: str) -> Iterator[str]:
    try:
        if locations.is_folder(path):
            yield f"data.source: {path} is a folder; give its files, such as {path.rstrip('/')}/*.csv"
        elif not locations.matches(path):
            yield f"data.source: no file matches {path}"
    except SluiceError as error:
        yield f"data.source: {error.summary}"


def _writable_problems(key: str, location: str) -> Iterator[str]:
    if not locations.is_remote(location):
        yield from _folder_problems(key, Path(location))
        return
    try:
        locations.exists(location)  # what is not there will be made, but it must be possible to ask
    except SluiceError as error:
        yield f"{key}: {error.summary}"


def _folder_problems(key: str, folder: Path) -> Iterator[str]:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield f"{key}: cannot write to {existing}; give a folder that can be made and written"


def _schema_problems(path: str) -> Iterator[str]:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        text_format.Parse(locations.read_bytes(path).decode(), schema_pb2.Schema())
    except OSError as error:
        yield f"schema: cannot read {path} ({error.strerror})"
    except SluiceError as error:
        yield f"schema: {error.summary}"
    except (UnicodeDecodeError, text_format.ParseError) as error:
        yield f"schema: {path} is no schema in text format ({error})"


def _metadata_problems(config: Config) -> Iterator[str]:
    if config.run.metadata is not None:
        try:
            metadata_connection.parse(config.run.metadata)
        except ValueError as error:
            yield f"run.metadata: {error}"


def _remote_problems(config: Config) -> Iterator[str]:
    for path in source_paths(config.data):
        if locations.is_remote(path) and "**" in path:
            yield f"data.source: {path}: no object store knows **; name each folder between with *"
    if locations.is_remote(config.run.root):
        yield (
            f"run.root: {config.run.root}: expected a folder of this machine, for records and metadata; "
            "run.artifacts may be remote"
        )
    if config.run.artifacts == config.run.root:
        yield (
            f"run.artifacts: {config.run.artifacts} is run.root, where each folder is taken for a run; "
            "give another one, or leave it out"
        )

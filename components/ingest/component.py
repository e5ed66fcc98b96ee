"""Ingest: sequence files in, a standard Examples artifact with the splits train and eval out."""

import json

import tensorflow as tf
from tfx import v1 as tfx
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2

from components.ingest.csv_file import read_csv
from components.ingest.examples import write_split
from components.ingest.sequences import Sequences, concatenate
from components.ingest.splits import Assignment, assign, moment_text
from components.ingest.ts_file import read_ts
from pipeline.config import Config, GivenSource, expand

MANIFEST = "splits.json"


@tfx.dsl.components.component
def Ingest(  # noqa: N802 (TFX names a component by its function)
    examples: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
    config: tfx.dsl.components.Parameter[str],
    source_fingerprint: tfx.dsl.components.Parameter[str],
) -> None:
    """Reads the source, splits it and writes one tf.Example per sequence.

    Args:
      examples: the splits `train` and `eval`, and `splits.json`, which says how they were made.
      config: the configuration as JSON; only what shapes the data is in it.
      source_fingerprint: a digest of the source's content, so that changed files are read again.
    """
    del source_fingerprint  # it only takes part in the cache key
    settings = Config.model_validate_json(config)
    splits, manifest = read_splits(settings)
    for name, sequences in splits.items():
        write_split(sequences, settings.label, f"{examples.uri}/Split-{name}")
    with tf.io.gfile.GFile(f"{examples.uri}/{MANIFEST}", "w") as file:
        file.write(json.dumps(manifest, indent=2) + "\n")
    examples.split_names = json.dumps(list(splits))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples.set_string_custom_property("file_format", "tfrecords_gzip")


def read_splits(config: Config) -> tuple[dict[str, Sequences], dict[str, object]]:
    """The sequences of each split, and the manifest that says how the split was made."""
    source = config.data.source
    if isinstance(source, GivenSource):
        splits = {"train": _read(config, source.train), "eval": _read(config, source.eval)}
        concatenate(list(splits.values()))  # refuses other features and repeated ids across the two
        return splits, _manifest(splits, None)
    sequences = _read(config, source)
    assignment = assign(sequences, config.split, config.split_by)
    splits = {"train": sequences.take(assignment.train), "eval": sequences.take(assignment.eval)}
    return splits, _manifest(splits, assignment)


def _read(config: Config, paths: tuple[str, ...]) -> Sequences:
    files = expand(paths)
    if config.format == "ts":
        return concatenate([read_ts(path) for path in files])
    return read_csv(files, config.data)


def _manifest(splits: dict[str, Sequences], assignment: Assignment | None) -> dict[str, object]:
    return {
        "rule": "given" if assignment is None else assignment.rule,
        "cutoff": None if assignment is None else assignment.cutoff,
        "left_out": {} if assignment is None else dict(assignment.left_out),
        "splits": {name: _summary(part) for name, part in splits.items()},
    }


def _summary(part: Sequences) -> dict[str, object]:
    first, last = part.first_time, part.last_time
    return {
        "sequences": len(part),
        "steps": int(part.lengths.sum()),
        "first_time": None if first is None else moment_text(first.min()),
        "last_time": None if last is None else moment_text(last.max()),
    }

"""Ingest: sequence files in, a standard Examples artifact with the splits train and eval out."""

import json
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx import v1 as tfx
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2

from components import complete_file
from components.ingest.beam_flow import SPLITS, WriteExamples
from components.ingest.layout import look
from components.ingest.manifest import manifest
from components.ingest.splits import configured_cutoff
from pipeline.at_start import with_source
from pipeline.config import Config

MANIFEST = "splits.json"
_OUTCOME = "outcome.json"


@tfx.dsl.components.component(use_beam=True)
def Ingest(  # noqa: N802 (TFX names a component by its function)
    examples: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Examples],
    config: tfx.dsl.components.Parameter[str],
    source_fingerprint: tfx.dsl.components.Parameter[str],
    source: tfx.dsl.components.Parameter[str] = "",
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Reads the source, splits it and writes one tf.Example per sequence or window.

    Args:
      examples: the splits `train` and `eval`, and `splits.json`, which says how they were made.
      config: the configuration as JSON; only what shapes the data is in it.
      source_fingerprint: a digest of the source's content, so that changed files are read again.
      source: another `data.source` as YAML, given when the run was started.
      beam_pipeline: the pipeline to run in.

    Raises:
      ConfigError: the run was started with a source that does not fit the configuration.
      DataRefused: with everything that keeps the source from being used; nothing is written then.
    """
    del source_fingerprint  # it only takes part in the cache key
    settings = with_source(Config.model_validate_json(config), source)
    found = write_splits(settings, examples.uri, beam_pipeline)
    with tf.io.gfile.GFile(f"{examples.uri}/{MANIFEST}", "w") as file:
        file.write(json.dumps(found, indent=2) + "\n")
    examples.split_names = json.dumps(list(SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples.set_string_custom_property("file_format", "tfrecords_gzip")


def write_splits(config: Config, folder: str, pipeline: beam.Pipeline) -> dict[str, Any]:
    """Writes the splits of a source to a folder and gives the manifest.

    Raises:
      DataRefused: the source cannot be used; no split is left behind.
    """
    layout = look(config)
    configured_cutoff(layout)  # one that does not fit is refused before anything is read
    outcome = f"{folder.rstrip('/')}/{_OUTCOME}"
    tf.io.gfile.makedirs(folder)
    try:
        with pipeline as begin:
            _ = begin | "ingest" >> WriteExamples(layout, folder, outcome)
        with tf.io.gfile.GFile(outcome) as file:
            return manifest(layout, json.loads(file.read()))
    except BaseException:
        _remove(f"{folder}/Split-{name}" for name in SPLITS)
        raise
    finally:
        _remove([outcome])
        complete_file.sweep(folder)


def _remove(paths: Any) -> None:
    for path in paths:
        if tf.io.gfile.exists(path):
            (tf.io.gfile.rmtree if tf.io.gfile.isdir(path) else tf.io.gfile.remove)(path)

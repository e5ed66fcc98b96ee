"""Auditor: finds leaks and misshapen data. DataGate: stops the run where a finding is an error."""

import json
from collections.abc import Mapping
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import v1 as tfx
from tfx.types import artifact_utils

from components import artifact_json, complete_file
from components.auditor.anomalies import read_anomalies, write_anomalies
from components.auditor.beam_flow import Audit, Findings
from components.auditor.checks import ERROR
from components.auditor.contract import Contract
from components.auditor.expected import Expected
from components.auditor.findings import Finding
from components.auditor.profile import standard_deviations
from components.auditor.records import sources
from components.auditor.tables import EVAL, TRAIN
from pipeline.config import Config
from pipeline.errors import DataRefused

FINDINGS = "findings.json"
_SPLITS = (TRAIN, EVAL)
_STATISTICS, _SCHEMA = "FeatureStats.pb", "schema.pbtxt"


@tfx.dsl.components.component(use_beam=True)
def Auditor(  # noqa: N802 (TFX names a component by its function)
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    schema: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Schema],
    anomalies: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    findings: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
    config: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Audits the Examples of all splits.

    Args:
      examples: the splits `train` and `eval`.
      statistics: what StatisticsGen says of them.
      schema: what they should be.
      anomalies: what ExampleValidator found.
      findings: TFDV's Anomalies of each split, and `findings.json`.
      config: the configuration as JSON; only what the auditor needs.
      code: a digest of the auditor's code, so that its findings are made anew when it changes.
      beam_pipeline: the pipeline to run in.
    """
    del code  # it only takes part in the cache key
    splits = artifact_utils.decode_split_names(anomalies.split_names)
    audit(
        Config.model_validate_json(config),
        examples.uri,
        schema=_read_schema(schema.uri),
        statistics=_read_statistics(statistics.uri),
        anomalies=read_anomalies(anomalies.uri, splits),
        folder=findings.uri,
        pipeline=beam_pipeline,
    )
    findings.split_names = json.dumps(list(_SPLITS))


@tfx.dsl.components.component
def DataGate(  # noqa: N802 (TFX names a component by its function)
    findings: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
) -> None:
    """Lets a run go on where no finding is an error.

    It is a stage of its own so that the auditor's artifact is registered before the run ends.

    Args:
      findings: what the auditor found.

    Raises:
      DataRefused: with every error.
    """
    refused = [finding for finding in read_findings(findings.uri)["findings"] if finding["severity"] == ERROR]
    if refused:
        raise DataRefused(
            f"the data has {len(refused)} error{'' if len(refused) == 1 else 's'}",
            [f"{finding['check']} ({place(finding)}): {finding['message']}" for finding in refused],
        )


def place(finding: Mapping[str, Any]) -> str:
    """Split and feature of a finding, in words."""
    return ", ".join(part for part in (finding["split"], finding["feature"]) if part)


def read_findings(uri: str) -> dict[str, Any]:
    """What `audit` gave, from the auditor's artifact."""
    return artifact_json.read(uri, FINDINGS)


def audit(
    config: Config,
    examples: str,
    *,
    schema: schema_pb2.Schema,
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatistics],
    anomalies: Mapping[str, anomalies_pb2.Anomalies],
    folder: str,
    pipeline: beam.Pipeline,
) -> dict[str, Any]:
    """Audits Examples and writes what was found as TFDV's Anomalies and as JSON.

    Args:
      config: the configuration: task, label, windows, split rule, severities.
      examples: folder with `Split-train` and `Split-eval`, TFRecords of tf.Example.
      schema: what they should be.
      statistics: split to TFDV's statistics; where a split has none, some records take their place.
      anomalies: split to what TFDV found.
      folder: where the findings are written.
      pipeline: to run in.

    Returns:
      `verdict` (`pass` or `fail`), `checks_run`, `checks_not_run` (name to reason) and `findings`.
    """
    files = sources(examples, _SPLITS)
    made = Audit(
        tuple(files),
        sum(tf.io.gfile.stat(file.path).length for file in files),
        Expected.of(config),
        Contract.of(schema),
        standard_deviations(statistics.get(TRAIN)),
        dict(config.audit.severity),
        {split: found.SerializeToString() for split, found in anomalies.items()},
    )
    tf.io.gfile.makedirs(folder)
    written = f"{folder.rstrip('/')}/without-anomalies.json"
    with pipeline as begin:
        _ = begin | "audit" >> Findings(made, written)
    with tf.io.gfile.GFile(written) as file:
        result: dict[str, Any] = json.loads(file.read())
    found = [Finding(**{**one, "examples": tuple(one["examples"])}) for one in result["findings"]]
    write_anomalies(folder, found, schema, _SPLITS)
    complete_file.sweep(folder)
    tf.io.gfile.rename(written, f"{folder.rstrip('/')}/{FINDINGS}", overwrite=True)
    return result


def _read_schema(uri: str) -> schema_pb2.Schema:
    with tf.io.gfile.GFile(f"{uri}/{_SCHEMA}") as file:
        return text_format.Parse(file.read(), schema_pb2.Schema())


def _read_statistics(uri: str) -> dict[str, statistics_pb2.DatasetFeatureStatistics]:
    found = {}
    for split in _SPLITS:
        path = f"{uri}/Split-{split}/{_STATISTICS}"
        if tf.io.gfile.exists(path):
            found[split] = tfdv.load_stats_binary(path).datasets[0]
    return found

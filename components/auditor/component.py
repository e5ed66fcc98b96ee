"""Auditor: stops the run before Transform where the data has an error."""

from tfx import v1 as tfx
from tfx.types import artifact_utils

from components.auditor.anomalies import read_anomalies
from components.auditor.findings import errors, schema_anomalies
from pipeline.errors import DataRefused


@tfx.dsl.components.component
def Auditor(  # noqa: N802 (TFX names a component by its function)
    anomalies: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
) -> None:
    """Refuses data that does not fit its schema.

    Args:
      anomalies: what ExampleValidator found in each split.

    Raises:
      DataRefused: with every error.
    """
    splits = artifact_utils.decode_split_names(anomalies.split_names)
    found = errors(schema_anomalies(read_anomalies(anomalies.uri, splits)))
    if found:
        raise DataRefused(
            f"the data has {len(found)} error{'' if len(found) == 1 else 's'}",
            [f"{finding.check}: {finding.split}, {finding.feature}: {finding.message}" for finding in found],
        )

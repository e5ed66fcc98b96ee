"""The run that made the served version, and what it knew of its training split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import lineage, locations, record, served
from pipeline.config import Config, FeatureKind
from pipeline.errors import ConfigError
from pipeline.metadata_connection import connection, refuse_unreachable

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as mlmd

_TRAIN = "Split-train"


@dataclass(frozen=True)
class TrainingRun:
    """A run whose statistics are there.

    Attributes:
      run_id: its name.
      version: that it pushed; None where nothing is on record.
      kinds: features of the model.
      statistics: file of the training split.
      examples: folder of the training split, which may be gone.
      export: folder of the model, for its vocabularies; None where no version is on record.
    """

    run_id: str
    version: str | None
    kinds: Mapping[str, FeatureKind]
    statistics: str
    examples: str
    export: str | None


def find(config: Config) -> TrainingRun:
    """The run that pushed the version that is served; else the newest with statistics.

    Raises:
      ConfigError: there is none.
    """
    home = Path(config.run.root, config.name)
    refuse_unreachable(config)
    metadata = connection(config)
    newest = served.newest(config)
    made = newest and newest["run_id"]
    candidates = sorted(record.runs(home), key=lambda folder: folder.name != made)  # stable: newest first
    for folder in candidates:
        if (found := _of_run(metadata, folder, newest if folder.name == made else None)) is not None:
            return found
    raise ConfigError(
        f"no run of {config.name} in {home} has training statistics",
        [f"run.root is {config.run.root}; the run that trained the model must be there"],
    )


def _of_run(
    metadata: "mlmd.ConnectionConfig", folder: Path, pushed: Mapping[str, Any] | None
) -> TrainingRun | None:
    run, validation = record.read(folder, record.RUN), record.read(folder, record.VALIDATION)
    gone = metadata.HasField("sqlite") and not Path(metadata.sqlite.filename_uri).is_file()
    if run is None or validation is None or gone:
        return None
    found = lineage.outputs(metadata, run.get("metadata_run", folder.name))  # older runs have no other name
    try:
        statistics = f"{found['StatisticsGen']['statistics'].uri}/{_TRAIN}/FeatureStats.pb"
        examples = found["Ingest"]["examples"].uri
    except KeyError:
        return None
    if not locations.is_file(statistics):
        return None
    return TrainingRun(
        folder.name,
        str(pushed["version"]) if pushed else None,
        validation["features"]["kinds"],
        statistics,
        examples,
        pushed["path"] if pushed else None,
    )

"""Runs a configuration in this process and writes down what came of it."""

import json
import logging
import platform
import traceback
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from components import artifact_json
from components.auditor.component import read_findings
from components.ingest.component import MANIFEST
from components.pusher import component as pusher
from components.trainer.training import HISTORY
from pipeline import __version__, leftovers, lineage, record, statistics, summary
from pipeline.build import (
    create_pipeline,
    fingerprint_of_ingest,
    fingerprint_of_source,
    kinds_of_features,
)
from pipeline.config import Config
from pipeline.errors import INTERRUPTED, SluiceError
from pipeline.metadata_connection import connection
from pipeline.runners import beam, local
from pipeline.runners.stage import Listener, Stage, compiled

Found = dict[str, dict[str, lineage.Artifact]]  # by stage and output key
_PACKAGES = (
    "tfx",
    "tensorflow",
    "keras",
    "tensorflow-model-analysis",
    "tensorflow-data-validation",
    "tensorflow-transform",
    "apache-beam",
)

log = logging.getLogger("sluice")


@dataclass
class Result:
    """What a run came to; the content of run.json, and the training history for the summary."""

    run_id: str
    name: str
    started: str
    process: dict[str, Any] | None
    metadata_run: str
    config: dict[str, Any]
    status: str = "failed"
    exit_code: int = 1
    finished: str | None = None
    stages: list[Stage] = field(default_factory=list)
    pushed: dict[str, Any] | None = None
    error: str | None = None
    history: dict[str, Any] | None = None
    artifacts: Found = field(default_factory=dict)
    source_fingerprint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The content of run.json."""
        return {
            "run_id": self.run_id,
            "name": self.name,
            "status": self.status,
            "exit_code": self.exit_code,
            "started": self.started,
            "finished": self.finished,
            "error": self.error,
            "process": self.process,
            "metadata_run": self.metadata_run,
            "stages": [{**asdict(stage), "seconds": round(stage.seconds, 3)} for stage in self.stages],
            "versions": versions(),
            "pushed": self.pushed,
            "training": self.history,
            "artifacts": {
                stage: {key: {"uri": one.uri, "id": one.id, "type": one.type} for key, one in outputs.items()}
                for stage, outputs in self.artifacts.items()
            },
            "source_fingerprint": self.source_fingerprint,
            "config": self.config,
        }


@cache
def versions() -> dict[str, str]:
    """Versions of what computes a result."""
    found = {"sluice": __version__, "python": platform.python_version()}
    return found | {package: metadata.version(package) for package in _PACKAGES}


def execute(
    config: Config,
    folder: Path,
    on_stage: Listener,
    *,
    until_audit: bool = False,
    forced: str = "",
    forced_by: str = "",
) -> Result:
    """Runs the pipeline and writes what the run leaves: run.json and the findings of each gate.

    Args:
      config: the configuration.
      folder: of the run, see `record.create`; the folder above is locked by this process.
      on_stage: told when a stage begins and ends.
      until_audit: stop after the data has been judged.
      forced: why the model may be worse than the last blessed one.
      forced_by: who took that on themselves.

    Returns:
      What became of the run; never raises for a failed stage, the failure stands in the result.
    """
    begun = record.read(folder, record.RUN) or record.begun(folder)
    result = Result(
        **{name: begun[name] for name in ("run_id", "name", "started", "process", "metadata_run")},
        config=json.loads(config.model_dump_json(by_alias=True)),
    )

    def note(stage: Stage) -> None:
        result.stages = [*(one for one in result.stages if one.name != stage.name), stage]
        record.write(folder, record.RUN, {**result.as_json(), "status": record.RUNNING, "exit_code": None})
        on_stage(stage)

    artifacts = config.artifacts or str(folder.parent / record.ARTIFACTS)
    database = connection(config)

    try:
        leftovers.refuse_strange_artifacts(artifacts, database)
        for killed in leftovers.sweep(folder, artifacts, database):
            log.info("%s", summary.taken_over(killed))
        result.source_fingerprint = fingerprint_of_source(config)
        pipeline = create_pipeline(
            config,
            root=artifacts,
            metadata=database,
            source_fingerprint=fingerprint_of_ingest(result.source_fingerprint),
            kinds=None if until_audit else kinds_of_features(config),
            until_audit=until_audit,
            forced=forced,
            forced_by=forced_by,
        )
        ir = compiled(pipeline, result.metadata_run, _may_use_cache)
        _RUNNERS[config.run.runner].run(ir, database, result.metadata_run, note)
        result.status, result.exit_code = "checked", 0
    except SluiceError as error:
        result.status, result.exit_code = _STATUS.get(error.exit_code, "failed"), error.exit_code
        result.error = str(error)
        traceback.print_exc()
    except KeyboardInterrupt:
        result.exit_code, result.error = INTERRUPTED, "interrupted"
        traceback.print_exc()
    except Exception as error:  # noqa: BLE001 (a stage may raise anything; the log has the whole of it)
        result.error = f"{type(error).__name__}: {_essence(error)}"
        traceback.print_exc()
    try:
        result.artifacts = lineage.outputs(database, result.metadata_run)
        if result.exit_code != INTERRUPTED:  # else a stage may be half done: the next run looks after that
            result.process = None
        _write_outcome(folder, config, result)
    except Exception as error:  # noqa: BLE001 (whatever it is, the run is on record)
        result.status, result.exit_code = "failed", 1
        known = isinstance(error, SluiceError)
        result.error = str(error) if known else f"the results cannot be read: {_essence(error)}"
        traceback.print_exc()
    result.finished = record.now()
    record.write(folder, record.RUN, result.as_json())
    return result


def _may_use_cache(stage: str) -> bool:
    """Pusher looks for itself whether TensorFlow Serving serves this model, for that may have changed."""
    return stage != "Pusher"


_RUNNERS = {"local": local, "beam": beam}
_STATUS = {3: "data_refused", 4: "model_refused", 5: "not_servable"}


def _essence(error: Exception) -> str:
    """What a library's error says: its last line where the first is only a heading, else its first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    return lines[-1] if lines[0].endswith(":") else lines[0]


def _delivered(found: Found) -> dict[str, Any] | None:
    """Version, path and SHA-256 of what TensorFlow Serving serves of this run; None where it is nothing."""
    pushed = found.get("Pusher", {}).get("pushed_model")
    if pushed is None or "pushed_destination" not in pushed.properties:
        return None
    said = pushed.properties
    return {
        "version": said["pushed_version"],
        "path": said["pushed_destination"],
        "sha256": said[pusher.SHA256],
        "already_served": said[pusher.ALREADY_SERVED] == "1",
    }


def _write_outcome(folder: Path, config: Config, result: Result) -> None:
    found = result.artifacts
    result.pushed = _delivered(found)  # before anything may fail: what is being served is on record anyway
    manifest = artifact_json.read(found["Ingest"]["examples"].uri, MANIFEST) if "Ingest" in found else {}
    if "StatisticsGen" in found:
        of_splits = statistics.read(found["StatisticsGen"]["statistics"].uri)
        columns = _columns(config, manifest)
        record.write(folder, record.STATISTICS, statistics.statistics_json(of_splits, columns))
    if "Auditor" in found:
        record.write(folder, record.VALIDATION, _validation(found["Auditor"]["findings"].uri, manifest))
    if "Trainer" in found:
        result.history = artifact_json.read(found["Trainer"]["model_run"].uri, HISTORY)
    if "Verdict" in found:
        for name in (record.EVALUATION, record.VERDICT):
            record.write(folder, name, artifact_json.read(found["Verdict"]["blessing"].uri, name))
    if "Servability" in found:
        blessing = found["Servability"]["blessing"].uri
        record.write(folder, record.SERVABILITY, artifact_json.read(blessing, record.SERVABILITY))
    if result.pushed and result.exit_code == 0:
        result.status = "pushed"


def _columns(config: Config, manifest: dict[str, Any]) -> statistics.Columns:
    label = None if config.task == "generation" else config.label
    return statistics.Columns(manifest["features"], label, config.data.slices, manifest["time"])


def _validation(findings: str, manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        **read_findings(findings),
        "splits": manifest["splits"],
        "split": {key: manifest[key] for key in ("rule", "cutoff", "gap", "unit", "left_out")},
        "rows": manifest["rows"],
        "features": {"kinds": manifest["features"], "inferred": manifest["inferred"]},
        "time": manifest["time"],
    }

"""Runs a configuration in this process and writes down what came of it."""

import json
import platform
import traceback
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from components import artifact_json
from components.auditor.component import read_findings
from components.ingest.component import MANIFEST
from components.pusher import component as pusher
from components.trainer.training import HISTORY
from pipeline import __version__, lineage, record
from pipeline.build import create_pipeline, fingerprint_of_source, kinds_of_features
from pipeline.config import Config
from pipeline.errors import INTERRUPTED, SluiceError
from pipeline.runners import local

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


@dataclass
class Result:
    """What a run came to; the content of run.json, and the training history for the summary."""

    run_id: str
    name: str
    started: str
    config: dict[str, Any]
    status: str = "failed"
    exit_code: int = 1
    finished: str | None = None
    stages: list[local.Stage] = field(default_factory=list)
    pushed: dict[str, Any] | None = None
    error: str | None = None
    history: dict[str, Any] | None = None

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
            "stages": [{**asdict(stage), "seconds": round(stage.seconds, 3)} for stage in self.stages],
            "versions": versions(),
            "pushed": self.pushed,
            "training": self.history,
            "config": self.config,
        }


def versions() -> dict[str, str]:
    """Versions of what computes a result."""
    found = {"sluice": __version__, "python": platform.python_version()}
    return found | {package: metadata.version(package) for package in _PACKAGES}


def execute(
    config: Config,
    folder: Path,
    on_stage: local.Listener,
    *,
    until_audit: bool = False,
    forced: str = "",
    forced_by: str = "",
) -> Result:
    """Runs the pipeline and writes what the run leaves: run.json and the findings of each gate.

    Args:
      config: the configuration.
      folder: of the run, see `record.create`.
      on_stage: told when a stage begins and ends.
      until_audit: stop after the data has been judged.
      forced: why the model may be worse than the last blessed one.
      forced_by: who took that on themselves.

    Returns:
      What became of the run; never raises for a failed stage, the failure stands in the result.
    """
    result = Result(
        run_id=folder.name,
        name=config.name,
        started=record.now(),
        config=json.loads(config.model_dump_json(by_alias=True)),
    )

    def note(stage: local.Stage) -> None:
        if stage.status != "running":
            result.stages.append(stage)
        on_stage(stage)

    beside = folder.parent / record.ARTIFACTS
    database = str(beside / record.METADATA)

    try:
        pipeline = create_pipeline(
            config,
            root=config.artifacts or str(beside),
            metadata=database,
            source_fingerprint=fingerprint_of_source(config),
            kinds=None if until_audit else kinds_of_features(config),
            until_audit=until_audit,
            forced=forced,
            forced_by=forced_by,
        )
        local.run(pipeline, database, result.run_id, note, _may_use_cache)
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
        _write_outcome(folder, result, lineage.outputs(database, result.run_id))
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


def _write_outcome(folder: Path, result: Result, found: Found) -> None:
    result.pushed = _delivered(found)  # before anything may fail: what is being served is on record anyway
    if "Auditor" in found:
        manifest = artifact_json.read(found["Ingest"]["examples"].uri, MANIFEST)
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


def _validation(findings: str, manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        **read_findings(findings),
        "splits": manifest["splits"],
        "split": {key: manifest[key] for key in ("rule", "cutoff", "gap", "unit", "left_out")},
        "rows": manifest["rows"],
        "features": {"kinds": manifest["features"], "inferred": manifest["inferred"]},
        "time": manifest["time"],
    }

"""What a run produced, read from ML Metadata."""

from dataclasses import dataclass

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

_RUN, _NODE = "pipeline_run", "node"


@dataclass(frozen=True)
class Artifact:
    """One artifact: where it is, and its custom properties as text."""

    uri: str
    properties: dict[str, str]


def outputs(metadata: str, run_id: str) -> dict[str, dict[str, Artifact]]:
    """The output artifacts of a run, by stage and output key; cached ones too.

    Args:
      metadata: the SQLite file.
      run_id: name of the run.
    """
    found: dict[str, dict[str, Artifact]] = {}
    store = _store(metadata)
    for execution in _executions(store, run_id):
        if execution.last_known_state not in (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED):
            continue
        stage = _stage_name(store, execution.id)
        for event in store.get_events_by_execution_ids([execution.id]):
            if event.type == mlmd.Event.OUTPUT:
                artifact = store.get_artifacts_by_id([event.artifact_id])[0]
                found.setdefault(stage, {})[event.path.steps[0].key] = _artifact(artifact)
    return found


def was_cached(metadata: str, run_id: str, stage: str) -> bool:
    """Whether a stage of a run took its outputs from an earlier one."""
    store = _store(metadata)
    return any(
        execution.last_known_state == mlmd.Execution.CACHED and _stage_name(store, execution.id) == stage
        for execution in _executions(store, run_id)
    )


def _store(metadata: str) -> metadata_store.MetadataStore:
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = metadata
    return metadata_store.MetadataStore(config)


def _executions(store: metadata_store.MetadataStore, run_id: str) -> list[mlmd.Execution]:
    """The executions of a run, one per stage."""
    run = store.get_context_by_type_and_name(_RUN, run_id)
    return [] if run is None else list(store.get_executions_by_context(run.id))


def _stage_name(store: metadata_store.MetadataStore, execution_id: int) -> str:
    for context in store.get_contexts_by_execution(execution_id):
        if context.type == _NODE:
            return str(context.name.partition(".")[2])
    return ""


def _artifact(artifact: mlmd.Artifact) -> Artifact:
    properties = {
        name: value.string_value or str(value.int_value)
        for name, value in (*artifact.properties.items(), *artifact.custom_properties.items())
    }
    return Artifact(artifact.uri, properties)

"""What a run produced, and what it left undone, read from ML Metadata."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_metadata import ListOptions, MetadataStore, OrderByField
from ml_metadata.proto import metadata_store_pb2 as mlmd

_RUN, _NODE = "pipeline_run", "node"
_DONE = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)


@dataclass(frozen=True)
class Artifact:
    """One artifact.

    Attributes:
      uri: where it is.
      id: in ML Metadata.
      type: TFX's name of it, such as `Examples`.
      properties: its own ones and the custom ones, as text.
    """

    uri: str
    id: int
    type: str
    properties: dict[str, str]


def outputs(metadata: mlmd.ConnectionConfig, run: str) -> dict[str, dict[str, Artifact]]:
    """The output artifacts of a run, by stage and output key, in the order of its stages; cached ones too.

    Args:
      metadata: how ML Metadata is reached.
      run: its name there, see `record.begun`.
    """
    found: dict[str, dict[str, Artifact]] = {}
    store = MetadataStore(metadata)
    for execution in _executions(store, run):
        if execution.last_known_state not in _DONE:
            continue
        stage = _stage_name(store, execution.id)
        for event in store.get_events_by_execution_ids([execution.id]):
            if event.type == mlmd.Event.OUTPUT:
                artifact = store.get_artifacts_by_id([event.artifact_id])[0]
                found.setdefault(stage, {})[event.path.steps[0].key] = _artifact(artifact)
    return found


def was_cached(metadata: mlmd.ConnectionConfig, run: str, stage: str) -> bool:
    """Whether a stage of a run took its outputs from an earlier one."""
    store = MetadataStore(metadata)
    return any(
        execution.last_known_state == mlmd.Execution.CACHED and _stage_name(store, execution.id) == stage
        for execution in _executions(store, run)
    )


def undone(metadata: mlmd.ConnectionConfig, run: str) -> dict[int, str]:
    """The executions of a run that did not come to an end, or to a bad one: id to stage."""
    store = MetadataStore(metadata)
    return {
        execution.id: _stage_name(store, execution.id)
        for execution in _executions(store, run)
        if execution.last_known_state not in _DONE
    }


def mark_failed(metadata: mlmd.ConnectionConfig, executions: Sequence[int]) -> None:
    """Says of executions that they failed."""
    store = MetadataStore(metadata)
    found = store.get_executions_by_id(executions)
    for execution in found:
        execution.last_known_state = mlmd.Execution.FAILED
    store.put_executions(found)


def newest_execution(metadata: mlmd.ConnectionConfig) -> int:
    """The highest id of an execution, of whatever run; 0 where there is none."""
    newest = ListOptions(limit=1, order_by=OrderByField.ID, is_asc=False)
    return max((execution.id for execution in MetadataStore(metadata).get_executions(newest)), default=0)


def _executions(store: MetadataStore, run: str) -> list[mlmd.Execution]:
    """The executions of a run, one per stage, in the order they began."""
    context = store.get_context_by_type_and_name(_RUN, run)
    found = [] if context is None else store.get_executions_by_context(context.id)
    return sorted(found, key=lambda execution: int(execution.id))


def _stage_name(store: MetadataStore, execution_id: int) -> str:
    for context in store.get_contexts_by_execution(execution_id):
        if context.type == _NODE:
            return str(context.name.partition(".")[2])
    return ""


def _artifact(artifact: mlmd.Artifact) -> Artifact:
    properties = {
        name: value.string_value or str(value.int_value)
        for name, value in (*artifact.properties.items(), *artifact.custom_properties.items())
    }
    return Artifact(artifact.uri, artifact.id, artifact.type, properties)

"""What a run produced, asked of an ML Metadata that is written here as TFX writes it."""

from pathlib import Path

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from pipeline import lineage

RUN = "20260102T030405Z.0123456789ab"


def database(tmp_path: Path) -> mlmd.ConnectionConfig:
    where = mlmd.ConnectionConfig()
    where.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    where.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return where


def contexts(store: MetadataStore, stage: str) -> list[int]:
    run = store.put_context_type(mlmd.ContextType(name="pipeline_run"), can_add_fields=True)
    node = store.put_context_type(mlmd.ContextType(name="node"), can_add_fields=True)
    known = store.get_context_by_type_and_name("pipeline_run", RUN)
    ids = [known.id] if known else list(store.put_contexts([mlmd.Context(type_id=run, name=RUN)]))
    return [*ids, *store.put_contexts([mlmd.Context(type_id=node, name=f"demo.{stage}")])]


def put(store: MetadataStore, stage: str, state: int, key: str, artifact: mlmd.Artifact) -> int:
    """An execution of a stage and the artifact it put out; the artifact's id."""
    (number,) = store.put_artifacts([artifact])
    kind = store.put_execution_type(mlmd.ExecutionType(name=stage))
    (execution,) = store.put_executions([mlmd.Execution(type_id=kind, last_known_state=state)])
    event = mlmd.Event(artifact_id=number, execution_id=execution, type=mlmd.Event.OUTPUT)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    store.put_events([event])
    store.put_attributions_and_associations(
        [], [mlmd.Association(execution_id=execution, context_id=one) for one in contexts(store, stage)]
    )
    return number


def test_outputs_say_where_each_artifact_is_its_id_its_type_and_its_properties(tmp_path):
    where = database(tmp_path)
    store = MetadataStore(where)
    kind = store.put_artifact_type(mlmd.ArtifactType(name="Examples", properties={"span": mlmd.INT}))
    made, cached = (mlmd.Artifact(type_id=kind, uri=f"/artifacts/{name}") for name in ("made", "cached"))
    made.properties["span"].int_value = 7
    made.custom_properties["split"].string_value = "train"
    ids = [
        put(store, "Ingest", mlmd.Execution.COMPLETE, "examples", made),
        put(store, "Transform", mlmd.Execution.CACHED, "transformed_examples", cached),
    ]
    found = lineage.outputs(where, RUN)
    assert list(found) == ["Ingest", "Transform"]
    assert found == {
        "Ingest": {
            "examples": lineage.Artifact(
                "/artifacts/made", ids[0], "Examples", {"span": "7", "split": "train"}
            )
        },
        "Transform": {"transformed_examples": lineage.Artifact("/artifacts/cached", ids[1], "Examples", {})},
    }


def test_a_stage_that_failed_has_put_nothing_out(tmp_path):
    where = database(tmp_path)
    store = MetadataStore(where)
    kind = store.put_artifact_type(mlmd.ArtifactType(name="Model"))
    put(store, "Trainer", mlmd.Execution.FAILED, "model", mlmd.Artifact(type_id=kind, uri="/artifacts/half"))
    assert lineage.outputs(where, RUN) == {}

"""Runs a pipeline in this process, stage after stage, with TFX's LocalDagRunner."""

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.proto.orchestration import pipeline_pb2

from pipeline.runners.stage import Listener, told


def run(
    pipeline: pipeline_pb2.Pipeline,
    metadata: metadata_store_pb2.ConnectionConfig,
    run_id: str,
    on_stage: Listener,
) -> None:
    """Runs every stage in order.

    Args:
      pipeline: see `stage.compiled`.
      metadata: how its ML Metadata is reached.
      run_id: name of the run in ML Metadata.
      on_stage: called when a stage begins and when it ends.

    Raises:
      Exception: whatever the failing stage raised; later stages do not run.
    """
    for node in pipeline.nodes:
        name = node.pipeline_node.node_info.id
        with told(name, on_stage, metadata, run_id):
            tfx.orchestration.LocalDagRunner().run_with_ir(_only(pipeline, name))


def _only(pipeline: pipeline_pb2.Pipeline, name: str) -> pipeline_pb2.Pipeline:
    """The pipeline with every stage but one marked as one to skip."""
    single = pipeline_pb2.Pipeline()
    single.CopyFrom(pipeline)
    for node in single.nodes:
        if node.pipeline_node.node_info.id != name:
            node.pipeline_node.execution_options.skip.SetInParent()
    return single

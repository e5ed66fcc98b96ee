"""Runs a pipeline in this process, stage after stage, and tells a listener how it goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline import lineage


@dataclass(frozen=True)
class Stage:
    """One stage of a run. `status` is `running`, `done` or `failed`."""

    name: str
    status: str
    seconds: float = 0.0
    cached: bool = False


Listener = Callable[[Stage], None]


def run(
    pipeline: tfx.dsl.Pipeline,
    metadata: metadata_store_pb2.ConnectionConfig,
    run_id: str,
    on_stage: Listener,
    may_use_cache: Callable[[str], bool] = lambda _: True,
) -> None:
    """Runs every stage in order with TFX's LocalDagRunner.

    Args:
      pipeline: what `create_pipeline` made.
      metadata: how its ML Metadata is reached.
      run_id: name of the run in ML Metadata.
      on_stage: called when a stage begins and when it ends.
      may_use_cache: asked before a stage begins, with its name.

    Raises:
      Exception: whatever the failing stage raised; later stages do not run.
    """
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    for node in ir.nodes:
        stage = Stage(node.pipeline_node.node_info.id, "running")
        began = time.monotonic()
        on_stage(stage)
        try:
            if not may_use_cache(stage.name):
                node.pipeline_node.execution_options.caching_options.enable_cache = False
            tfx.orchestration.LocalDagRunner().run_with_ir(_only(ir, stage.name))
        except BaseException:
            on_stage(replace(stage, status="failed", seconds=time.monotonic() - began))
            raise
        seconds = time.monotonic() - began
        cached = lineage.was_cached(metadata, run_id, stage.name)
        on_stage(replace(stage, status="done", seconds=seconds, cached=cached))


def _only(ir: pipeline_pb2.Pipeline, name: str) -> pipeline_pb2.Pipeline:
    """The pipeline with every stage but one marked as one to skip."""
    single = pipeline_pb2.Pipeline()
    single.CopyFrom(ir)
    for node in single.nodes:
        if node.pipeline_node.node_info.id != name:
            node.pipeline_node.execution_options.skip.SetInParent()
    return single

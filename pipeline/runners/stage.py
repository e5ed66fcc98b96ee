"""What every runner in this process does with a stage: compiles it, says how it goes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def compiled(
    pipeline: tfx.dsl.Pipeline, run_id: str, may_use_cache: Callable[[str], bool]
) -> pipeline_pb2.Pipeline:
    """TFX's own form of a pipeline, for one run.

    Args:
      pipeline: what `create_pipeline` made.
      run_id: name of the run in ML Metadata.
      may_use_cache: asked with the name of each stage.
    """
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    for node in ir.nodes:
        if not may_use_cache(node.pipeline_node.node_info.id):
            node.pipeline_node.execution_options.caching_options.enable_cache = False
    return ir


@contextmanager
def told(
    name: str, on_stage: Listener, metadata: metadata_store_pb2.ConnectionConfig, run_id: str
) -> Iterator[None]:
    """Tells a listener that a stage begins, and how the body ended.

    Args:
      name: of the stage.
      on_stage: the listener.
      metadata: how ML Metadata is reached; asked whether the stage took its outputs from an earlier run.
      run_id: name of the run in ML Metadata.
    """
    stage, began = Stage(name, "running"), time.monotonic()
    on_stage(stage)
    try:
        yield
    except BaseException:
        on_stage(replace(stage, status="failed", seconds=time.monotonic() - began))
        raise
    seconds = time.monotonic() - began
    on_stage(
        replace(stage, status="done", seconds=seconds, cached=lineage.was_cached(metadata, run_id, name))
    )

"""Runs a pipeline with TFX's BeamDagRunner: the stages are the steps of one Beam pipeline.

That pipeline runs in this process, in Beam's in-memory engine; where the Beam pipelines of the
stages run is for their own arguments to say.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.beam import beam_dag_runner
from tfx.proto.orchestration import pipeline_pb2

from pipeline.runners.beam_args import IN_MEMORY
from pipeline.runners.stage import Listener, told


@dataclass
class _Watched:
    """A run at work in this process, as its stages see it."""

    metadata: metadata_store_pb2.ConnectionConfig
    on_stage: Listener
    errors: list[BaseException] = field(default_factory=list)


# Beam pickles each stage, also where it stays in this process: it finds its run here, by its id.
_RUNS: dict[str, _Watched] = {}


class _Stage(beam_dag_runner.PipelineNodeAsDoFn):
    """A stage that tells its run how it goes."""

    def _run_node(self) -> None:
        run_id = self._pipeline_runtime_spec.pipeline_run_id.field_value.string_value
        run = _RUNS[run_id]
        try:
            with told(self._node_id, run.on_stage, run.metadata, run_id):
                super()._run_node()
        except BaseException as error:
            run.errors.append(error)
            raise


class _Runner(beam_dag_runner.BeamDagRunner):
    _PIPELINE_NODE_DO_FN_CLS = _Stage


def run(
    pipeline: pipeline_pb2.Pipeline,
    metadata: metadata_store_pb2.ConnectionConfig,
    run_id: str,
    on_stage: Listener,
) -> None:
    """Runs every stage once those it needs are done.

    Args:
      pipeline: see `stage.compiled`.
      metadata: how its ML Metadata is reached.
      run_id: name of the run in ML Metadata.
      on_stage: called when a stage begins and when it ends.

    Raises:
      Exception: whatever the failing stage raised, not what Beam makes of it; later stages do not run.
    """
    watched = _RUNS[run_id] = _Watched(metadata, on_stage)
    try:
        with _orchestrated_in_memory():
            _Runner().run_with_ir(pipeline)
    except Exception:
        if watched.errors:
            raise watched.errors[0] from None
        raise
    finally:
        del _RUNS[run_id]


@contextmanager
def _orchestrated_in_memory() -> Iterator[None]:
    """BeamDagRunner gives its pipeline no options, and Beam then takes the command line's for them."""
    command_line = sys.argv
    sys.argv = [command_line[0], IN_MEMORY]
    try:
        yield
    finally:
        sys.argv = command_line

"""A pool of Beam workers that the task managers of one machine share.

    python -m pipeline.runners.worker_pool PORT

Beam's own, `apache_beam.runners.worker.worker_pool_main`, tells workers apart by numbers that each
task manager counts for itself: shared, one task manager would end the worker of another. Here a worker
ends by itself, when the task manager that asked for it closes the line or is gone.
"""

import sys
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.utils import thread_pool_executor


class SharedWorkerPool(BeamFnExternalWorkerPoolServicer):
    """Starts a process for each worker that is asked for."""

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        """Leaves the worker to end by itself."""
        del request, context
        return beam_fn_api_pb2.StopWorkerResponse()


def main(port: int) -> None:
    """Answers on a port of this machine until the process is ended."""
    server = grpc.server(thread_pool_executor.shared_unbounded_instance())
    pool = SharedWorkerPool(use_process=True, data_buffer_time_limit_ms=-1)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.add_insecure_port(f"localhost:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(int(sys.argv[1]))

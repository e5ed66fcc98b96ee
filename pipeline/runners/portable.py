"""Beam's own job server and worker pool on this machine: how a portable runner works, without Java.

    .venv/bin/python -m pipeline.runners.portable

starts them, prints the Beam arguments that run a stage there, and ends them with Ctrl-C.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.runners import starter
from pipeline.runners.processes import answers, free_ports, wait_for

_LIMIT_S = 120.0


@contextmanager
def job_service(logs: Path, workers: int = 1) -> Iterator[list[str]]:
    """Starts both and gives the Beam arguments; on leaving, all of their processes are ended.

    Args:
      logs: folder that gets a file of each process.
      workers: worker processes.

    Raises:
      SluiceError: a process did not start.
    """
    jobs, pool = free_ports(2)
    with starter.starter("portable", logs) as make:
        staging = f"--staging_dir={make.work / 'staging'}"
        processes = [
            make.python(
                "job-service",
                "apache_beam.runners.portability.local_job_service_main",
                f"--port={jobs}",
                staging,
            ),
            make.python(
                "worker-pool", "apache_beam.runners.worker.worker_pool_main", f"--service_port={pool}"
            ),
        ]
        wait_for("Beam's job service", lambda: answers(jobs) and answers(pool), processes, _LIMIT_S)
        yield starter.beam_args(jobs, pool, f"--direct_num_workers={workers}")


if __name__ == "__main__":
    starter.serve("portable", __doc__, job_service)

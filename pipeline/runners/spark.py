"""Spark on this machine, inside Beam's job server for it, with Beam's workers; `make spark` fetches it.

    .venv/bin/python -m pipeline.runners.spark

starts it, prints the Beam arguments that run a stage on it, and ends it with Ctrl-C.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.runners import starter
from pipeline.runners.processes import answers, free_ports, wait_for

_JOB_SERVER = "org.apache.beam.runners.spark.SparkJobServerDriver"
_LIMIT_S = 120.0


@contextmanager
def spark(logs: Path, workers: int = 2) -> Iterator[list[str]]:
    """Starts Spark and gives the Beam arguments; on leaving, all of its processes are ended.

    Args:
      logs: folder that gets a file of each process.
      workers: tasks at the same time, each with a worker process.

    Raises:
      ConfigError: Java or the jars of `make spark` are missing.
      SluiceError: a process did not start.
    """
    jobs, pool = free_ports(2)
    with starter.starter("spark", logs) as make:
        arguments = [f"--spark-master-url=local[{workers}]", *starter.serving(jobs, make.work)]
        processes = [
            make.java("job-server", "-Xmx3g", _JOB_SERVER, *arguments),
            make.python("worker-pool", "pipeline.runners.worker_pool", str(pool)),
        ]
        wait_for("Beam's job server for Spark", lambda: answers(jobs) and answers(pool), processes, _LIMIT_S)
        yield starter.beam_args(jobs, pool, starter.KEEP_WORKERS, f"--sdk_worker_parallelism={workers}")


if __name__ == "__main__":
    starter.serve("spark", __doc__, spark)

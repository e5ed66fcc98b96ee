"""A Flink cluster on this machine, with Beam's job server and workers; `make flink` fetches it.

    .venv/bin/python -m pipeline.runners.flink

starts it, prints the Beam arguments that run a stage on it, and ends it with Ctrl-C.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.runners import starter
from pipeline.runners.processes import Process, answers, free_ports, wait_for

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
_LIMIT_S = 120.0


@dataclass(frozen=True)
class Size:
    """How large a cluster is.

    Attributes:
      task_managers: how many there are; each has a worker process, and a task for each of its slots.
      slots: of each task manager; more than one so that the others can take over from one that died.
      heap_mb: of each task manager. A shard of Ingest passes through it as a whole, more than once.
      sort_mb: what each task manager sorts in.
    """

    task_managers: int = 2
    slots: int = 2
    heap_mb: int = 2048
    sort_mb: int = 1024


class Cluster:
    """A cluster that runs.

    Attributes:
      task_managers: their processes, in the order in which they were started.
      rest: address of Flink's REST interface.
      beam_args: what `sluice run CONFIG --` takes.
    """

    def __init__(self, size: Size, make: starter.Starter) -> None:
        self._size, self._make = size, make
        self._rpc, self._rest, self._jobs, self._pool = free_ports(4)
        self.task_managers: list[Process] = []
        self.rest = f"http://localhost:{self._rest}"
        spread = f"--parallelism={size.task_managers}"
        self.beam_args = starter.beam_args(self._jobs, self._pool, starter.KEEP_WORKERS, spread)

    def start(self) -> None:
        """Starts all processes and waits until the cluster is whole."""
        settings = _settings(self._size, self._make.work, self._rpc, self._rest)
        lines = [f"{key}: {value}\n" for key, value in settings.items()]
        (self._make.work / "flink-conf.yaml").write_text("".join(lines))
        jobs = [
            f"--flink-master=localhost:{self._rest}",
            *starter.serving(self._jobs, self._make.work),
        ]
        others = [
            self._make.java("job-manager", "-Xmx512m", _JOB_MANAGER, self._configured),
            self._make.python("worker-pool", "pipeline.runners.worker_pool", str(self._pool)),
            self._make.java("job-server", "-Xmx512m", _JOB_SERVER, *jobs),
        ]
        wait_for("Flink's job manager", lambda: bool(self.ask("overview")), others, _LIMIT_S)
        for _ in range(self._size.task_managers):
            self.start_task_manager()
        wait_for("Flink's cluster", self._is_whole, [*others, *self.task_managers], _LIMIT_S)

    def start_task_manager(self) -> None:
        """Starts one more task manager; it takes part as soon as it is up."""
        name = f"task-manager-{len(self.task_managers)}"
        memory = f"-Xmx{self._size.heap_mb}m", "-XX:MaxDirectMemorySize=2g"
        me = f"-Dtaskmanager.resource-id={name}"
        self.task_managers.append(self._make.java(name, *memory, _TASK_MANAGER, self._configured, me))

    @property
    def _configured(self) -> str:
        return f"--configDir={self._make.work}"

    def ask(self, path: str) -> dict[str, Any]:
        """What Flink's REST interface answers; nothing where it does not."""
        try:
            found: dict[str, Any] = httpx.get(f"{self.rest}/{path}").json()
        except httpx.TransportError:
            return {}
        return found

    def _is_whole(self) -> bool:
        slots = self._size.task_managers * self._size.slots
        there = self.ask("overview").get("slots-total") == slots
        return there and answers(self._jobs) and answers(self._pool)


@contextmanager
def cluster(logs: Path, size: Size | None = None) -> Iterator[Cluster]:
    """Starts a cluster; on leaving, all of its processes are ended and its working files removed.

    Args:
      logs: folder that gets a file of each process.
      size: of the cluster.

    Raises:
      ConfigError: Java or the jars of `make flink` are missing.
      SluiceError: a process did not start.
    """
    with starter.starter("flink", logs) as make:
        made = Cluster(size or Size(), make)
        made.start()
        yield made


def _settings(size: Size, work: Path, rpc: int, rest: int) -> dict[str, object]:
    """Flink's configuration: all on this machine alone, and a job goes on when a task manager dies."""
    addresses = (
        "jobmanager.rpc.address", "jobmanager.bind-host", "rest.address", "rest.bind-address",
        "taskmanager.host", "taskmanager.bind-host",
    )  # fmt: skip
    memory_mb = {
        "task.heap.size": size.heap_mb - 128, "framework.heap.size": 128, "managed.size": size.sort_mb,
        "task.off-heap.size": 0, "framework.off-heap.size": 128, "network.min": 256, "network.max": 256,
        "jvm-metaspace.size": 256, "jvm-overhead.min": 192, "jvm-overhead.max": 192,
    }  # fmt: skip
    return {
        **dict.fromkeys(addresses, "localhost"),
        **{f"taskmanager.memory.{key}": f"{megabytes}m" for key, megabytes in memory_mb.items()},
        "jobmanager.rpc.port": rpc,
        "rest.port": rest,
        "io.tmp.dirs": work,
        "taskmanager.cpu.cores": size.slots,
        "taskmanager.numberOfTaskSlots": size.slots,
        "cluster.evenly-spread-out-slots": "true",
        "taskmanager.network.sort-shuffle.min-buffers": 64,
        "classloader.resolve-order": "parent-first",  # the classes of a job are the cluster's
        # One loss shows as many failures; this strategy counts those of some seconds as one.
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "5 s",
        "restart-strategy.exponential-delay.max-backoff": "20 s",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": 5,
        "heartbeat.interval": 2000,  # ms
        "blob.service.cleanup.interval": 60,  # s; each job leaves copies of the jars
    }


@contextmanager
def _beam_args(logs: Path, workers: int) -> Iterator[list[str]]:
    with cluster(logs, Size(workers)) as made:
        yield made.beam_args


if __name__ == "__main__":
    starter.serve("flink", __doc__, _beam_args)

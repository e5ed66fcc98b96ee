"""A Flink cluster on this machine, with Beam's job server and workers; `make flink` fetches it.

    .venv/bin/python -m pipeline.runners.flink

starts it, prints the Beam arguments that run a stage on it, and ends it with Ctrl-C.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.errors import ConfigError, SluiceError
from pipeline.runners.processes import Process, answers, free_ports, wait_for

HOME = Path(__file__).parents[2] / ".flink"
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
_SETTINGS = "flink-conf.yaml"
_LIMIT_S = 120.0
_LOG_FORMAT = "-Djava.util.logging.SimpleFormatter.format=%1$tT %4$s %3$s: %5$s%6$s%n"
# What Flink's own scripts open of Java 17.
_OPENED = (
    "lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "text", "time", "util", "util.concurrent",
    "util.concurrent.atomic", "util.concurrent.locks",
)  # fmt: skip
_OPENS = [
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPENED),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
]


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
      page: address of Flink's page and REST interface.
      beam_args: what `sluice run CONFIG --` takes.
    """

    def __init__(self, size: Size, java: list[str], logs: Path, work: Path, processes: ExitStack) -> None:
        self._size, self._java, self._logs, self._work, self._processes = size, java, logs, work, processes
        self._rpc, self._rest, self._job_server, self._pool = free_ports(4)
        self.task_managers: list[Process] = []
        self.page = f"http://localhost:{self._rest}"
        self.beam_args = [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{self._job_server}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{self._pool}",
            "--environment_cache_millis=10000",  # else a job starts workers anew for each of its steps
            f"--parallelism={size.task_managers}",
        ]

    def start(self) -> None:
        """Starts all processes and waits until the cluster is whole."""
        settings = _settings(self._size, self._work, self._rpc, self._rest)
        (self._work / _SETTINGS).write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
        others = [
            self._start_worker_pool(),
            self._start_java("job-manager", "-Xmx512m", _JOB_MANAGER, f"--configDir={self._work}"),
            self._start_java("job-server", "-Xmx512m", _JOB_SERVER, *self._where_jobs_come_from()),
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
        self.task_managers.append(
            self._start_java(name, *memory, _TASK_MANAGER, f"--configDir={self._work}", me)
        )

    def ask(self, path: str) -> dict[str, Any]:
        """What Flink's REST interface answers; nothing where it does not."""
        try:
            found: dict[str, Any] = httpx.get(f"{self.page}/{path}").json()
        except httpx.TransportError:
            return {}
        return found

    def _is_whole(self) -> bool:
        slots = self._size.task_managers * self._size.slots
        there = self.ask("overview").get("slots-total") == slots
        return there and answers(self._job_server) and answers(self._pool)

    def _start_worker_pool(self) -> Process:
        # Workers are started as plain `python`.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        command = [sys.executable, "-m", "pipeline.runners.worker_pool", str(self._pool)]
        return self._start("worker-pool", command, {"PATH": path})

    def _where_jobs_come_from(self) -> list[str]:
        return [
            f"--flink-master=localhost:{self._rest}",
            "--job-host=localhost",
            f"--job-port={self._job_server}",
            "--artifact-port=0",
            "--expansion-port=0",
            f"--artifacts-dir={self._work / 'artifacts'}",
        ]

    def _start_java(self, name: str, *arguments: str) -> Process:
        return self._start(name, [*self._java, f"-Djava.io.tmpdir={self._work}", *arguments])

    def _start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> Process:
        return self._processes.enter_context(Process(command, self._logs / f"{name}.log", environment))


@contextmanager
def cluster(logs: Path, size: Size | None = None) -> Iterator[Cluster]:
    """Starts a cluster; on leaving, all of its processes are ended and its working files removed.

    Args:
      logs: folder that gets a file of each process.
      size: of the cluster.

    Raises:
      ConfigError: Java or the files of `make flink` are missing.
      SluiceError: a process did not start.
    """
    java = _java()
    logs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="flink-", ignore_cleanup_errors=True) as work,
        ExitStack() as processes,
    ):
        made = Cluster(size or Size(), java, logs, Path(work), processes)
        made.start()
        yield made


def _java() -> list[str]:
    """Java with all jars, without a class."""
    java = shutil.which("java")
    if java is None:
        raise ConfigError("Java is missing", ["install it (Debian: apt-get install default-jre-headless)"])
    if not (HOME / "jars").is_dir():
        raise ConfigError(
            f"{HOME / 'jars'} is missing", ["fetch Flink and Beam's job server with `make flink`"]
        )
    return [java, *_OPENS, _LOG_FORMAT, "-cp", f"{HOME / 'jars'}/*"]


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
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 3,
        "restart-strategy.fixed-delay.delay": "1 s",
        "heartbeat.interval": 2000,  # ms
    }


def main() -> None:
    """Starts a cluster, prints how to use it, and ends it when asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task-managers", type=int, default=Size.task_managers)
    parser.add_argument("--logs", type=Path, default=HOME / "logs")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with cluster(arguments.logs, Size(arguments.task_managers)) as made:
            print(" ".join(made.beam_args), flush=True)  # noqa: T201
            print(f"Flink's page is {made.page}; Ctrl-C ends it", file=sys.stderr)  # noqa: T201
            signal.pause()
    except KeyboardInterrupt:
        pass
    except SluiceError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()

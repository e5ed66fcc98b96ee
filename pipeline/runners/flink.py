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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from pipeline.errors import ConfigError, SluiceError
from pipeline.runners.processes import Process, answers, free_ports, wait_for

HOME = Path(__file__).parents[2] / ".flink"
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
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


@dataclass
class Cluster:
    """A cluster that runs.

    Attributes:
      beam_args: what `sluice run CONFIG --` takes.
      task_managers: their processes, in the order in which they were started.
      rest: address of Flink's page and REST interface.
    """

    beam_args: list[str]
    rest: str
    task_managers: list[Process] = field(default_factory=list)

    def ask(self, path: str) -> dict[str, Any]:
        """What the REST interface answers; nothing where it does not."""
        try:
            found: dict[str, Any] = httpx.get(f"{self.rest}/{path}").json()
        except httpx.TransportError:
            return {}
        return found


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
    size, java = size or Size(), _java()
    logs.mkdir(parents=True, exist_ok=True)
    rpc, rest, job_server, pool = free_ports(4)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flink-")))
        (work / "flink-conf.yaml").write_text(_settings(size, work, rpc, rest))
        conf = ["--configDir", str(work)]

        def start(name: str, command: list[str], environment: dict[str, str] | None = None) -> Process:
            return stack.enter_context(Process(command, logs / f"{name}.log", environment))

        # Workers are started as plain `python`.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        workers = [sys.executable, "-m", "pipeline.runners.worker_pool", str(pool)]
        others = [
            start("worker-pool", workers, {"PATH": path}),
            start("job-manager", [*java, "-Xmx512m", _JOB_MANAGER, *conf]),
            start("job-server", [*java, "-Xmx512m", _JOB_SERVER, *_serve(job_server, rest, work)]),
        ]
        made = Cluster(_beam_args(job_server, pool, size.task_managers), f"http://localhost:{rest}")
        wait_for("Flink's job manager", lambda: bool(made.ask("overview")), others, _LIMIT_S)
        memory = [f"-Xmx{size.heap_mb}m", "-XX:MaxDirectMemorySize=2g"]
        for number in range(size.task_managers):
            command = [
                *java,
                *memory,
                _TASK_MANAGER,
                *conf,
                f"-Dtaskmanager.resource-id=task-manager-{number}",
            ]
            made.task_managers.append(start(f"task-manager-{number}", command))
        wait_for(
            "Flink's cluster",
            lambda: (
                made.ask("overview").get("slots-total") == size.task_managers * size.slots
                and answers(job_server)
                and answers(pool)
            ),
            [*others, *made.task_managers],
            _LIMIT_S,
        )
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


def _settings(size: Size, work: Path, rpc: int, rest: int) -> str:
    """Flink's configuration: all on this machine alone, and a job goes on when a task manager dies."""
    addresses = (
        "jobmanager.rpc.address", "jobmanager.bind-host", "rest.address", "rest.bind-address",
        "taskmanager.host", "taskmanager.bind-host",
    )  # fmt: skip
    memory = {
        "managed.size": size.sort_mb, "task.heap.size": size.heap_mb - 128, "framework.heap.size": 128,
        "task.off-heap.size": 0, "framework.off-heap.size": 128, "network.min": 256, "network.max": 256,
        "jvm-metaspace.size": 256, "jvm-overhead.min": 192, "jvm-overhead.max": 192,
    }  # fmt: skip
    return "".join(
        f"{key}: {value}\n"
        for key, value in {
            **dict.fromkeys(addresses, "localhost"),
            **{f"taskmanager.memory.{key}": f"{megabytes}m" for key, megabytes in memory.items()},
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
        }.items()
    )


def _serve(port: int, rest: int, work: Path) -> list[str]:
    return [
        f"--flink-master=localhost:{rest}", "--job-host=localhost", f"--job-port={port}", "--artifact-port=0",
        "--expansion-port=0", f"--artifacts-dir={work / 'artifacts'}",
    ]  # fmt: skip


def _beam_args(job_server: int, pool: int, parallelism: int) -> list[str]:
    return [
        "--runner=PortableRunner",
        f"--job_endpoint=localhost:{job_server}",
        "--environment_type=EXTERNAL",
        f"--environment_config=localhost:{pool}",
        "--environment_cache_millis=10000",  # else a job starts workers anew for each of its stages
        f"--parallelism={parallelism}",
        "--sdk_container_image=none",  # else TFX packs itself; workers have it
    ]


def main() -> None:
    """Starts a cluster, prints how to use it, and ends it when asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task-managers", type=int, default=Size.task_managers)
    parser.add_argument("--logs", type=Path, default=HOME / "logs")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with cluster(arguments.logs, Size(arguments.task_managers)) as made:
            print(" ".join(made.beam_args), flush=True)  # noqa: T201
            print(f"Flink's page is {made.rest}; Ctrl-C ends it", file=sys.stderr)  # noqa: T201
            signal.pause()
    except KeyboardInterrupt:
        pass
    except SluiceError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()

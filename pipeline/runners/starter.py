"""Starts what a cluster on this machine is made of: Java processes and Beam workers."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from pipeline.errors import ConfigError, SluiceError
from pipeline.runners.processes import Process

_CHECKOUT = Path(__file__).parents[2]
_LOG_FORMAT = "-Djava.util.logging.SimpleFormatter.format=%1$tT %4$s %3$s: %5$s%6$s%n"
# What Flink's and Spark's own scripts open of Java 17.
_OPENED = (
    "java.io", "java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.nio", "java.text",
    "java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic",
    "java.util.concurrent.locks", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar",
)  # fmt: skip


def jars(kind: str) -> Path:
    """The folder that `make flink` or `make spark` fills."""
    return _CHECKOUT / f".{kind}" / "jars"


class Starter:
    """Starts processes that end together.

    Attributes:
      work: folder for their working files, removed when they have ended.
    """

    def __init__(self, kind: str, logs: Path, work: Path, processes: ExitStack) -> None:
        self._kind, self._logs, self._processes, self.work = kind, logs, processes, work

    def java(self, name: str, *arguments: str) -> Process:
        """Starts a class of the jars, in a process with a name.

        Raises:
          ConfigError: Java or the jars are missing.
        """
        return self._start(name, [*_java(self._kind), f"-Djava.io.tmpdir={self.work}", *arguments])

    def python(self, name: str, module: str, *arguments: str) -> Process:
        """Starts a module, in a process with a name; what it starts as `python` is this Python too."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return self._start(name, [sys.executable, "-m", module, *arguments], {"PATH": path})

    def _start(self, name: str, command: list[str], environment: Mapping[str, str] | None = None) -> Process:
        return self._processes.enter_context(Process(command, self._logs / f"{name}.log", environment))


@contextmanager
def starter(kind: str, logs: Path) -> Iterator[Starter]:
    """Gives what starts processes; on leaving, all of them are ended and their working files removed.

    Args:
      kind: what it is for, such as `flink`.
      logs: folder that gets a file of each process.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f"{kind}-", ignore_cleanup_errors=True) as work,
        ExitStack() as processes,
    ):
        yield Starter(kind, logs, Path(work), processes)


def _java(kind: str) -> list[str]:
    java = shutil.which("java")
    if java is None:
        raise ConfigError("Java is missing", ["install it (Debian: apt-get install default-jre-headless)"])
    if not jars(kind).is_dir():
        raise ConfigError(f"{jars(kind)} is missing", [f"fetch what belongs there with `make {kind}`"])
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
    return [java, *opens, _LOG_FORMAT, "-cp", f"{jars(kind)}/*"]


# Else a job starts workers anew for each of its steps.
KEEP_WORKERS = "--environment_cache_millis=10000"


def serving(job_port: int, work: Path) -> list[str]:
    """Arguments of Beam's job servers."""
    return [
        "--job-host=localhost",
        f"--job-port={job_port}",
        "--artifact-port=0",
        "--expansion-port=0",
        f"--artifacts-dir={work / 'artifacts'}",
    ]


def beam_args(job_port: int, pool_port: int, *more: str) -> list[str]:
    """Beam arguments that run a stage's work through a job server, in the workers of a pool."""
    return [
        "--runner=PortableRunner",
        f"--job_endpoint=localhost:{job_port}",
        "--environment_type=EXTERNAL",
        f"--environment_config=localhost:{pool_port}",
        *more,
    ]


def serve(
    kind: str, doc: str | None, start: Callable[[Path, int], AbstractContextManager[Sequence[str]]]
) -> None:
    """Command line of a cluster: starts it, prints the Beam arguments, and ends it when asked to.

    Args:
      kind: see `starter`.
      doc: what the command does.
      start: given the folder of the logs and the number of workers, gives the Beam arguments.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="worker processes (2)")
    parser.add_argument("--logs", type=Path, default=_CHECKOUT / f".{kind}" / "logs")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with start(arguments.logs, arguments.workers) as beam_args:
            print(" ".join(beam_args), flush=True)  # noqa: T201
            signal.pause()
    except KeyboardInterrupt:
        pass
    except SluiceError as error:
        raise SystemExit(str(error)) from None

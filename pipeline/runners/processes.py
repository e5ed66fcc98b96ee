"""Processes that work for a while beside this one and that leave nothing behind."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from pipeline.errors import SluiceError

_GRACE_S, _PAUSE_S = 10.0, 0.05
_LAST_LINES = 5


class Process(AbstractContextManager["Process"]):
    """A program in a process group of its own; on leaving, all of that group is ended.

    Args:
      command: the program and its arguments.
      log: the file that gets its output.
      environment: what is changed of ours.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(  # noqa: S603 (commands of this project)
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        self._ended = False

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def runs(self) -> bool:
        """Whether the program has not ended."""
        # It is not waited for, so that its number, which is the group's, stays taken.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return not self._ended and os.waitid(os.P_PID, self._popen.pid, flags) is None

    def end(self, grace_s: float = _GRACE_S) -> None:
        """Asks the group to end, and kills what is left of it after a while."""
        if self._ended:
            return
        os.killpg(self._popen.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while self.runs and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        self.kill()

    def kill(self) -> None:
        """Kills the group at once."""
        if not self._ended:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
            self._ended = True

    def last_words(self) -> list[str]:
        """The last lines that it wrote."""
        return self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]


def wait_for(what: str, ready: Callable[[], bool], processes: Sequence[Process], limit_s: float) -> None:
    """Returns when something is ready.

    Raises:
      SluiceError: when one of the processes ends before, or the time is up, with their last words.
    """
    deadline = time.monotonic() + limit_s
    while not ready():
        ended = [process for process in processes if not process.runs]
        if ended or time.monotonic() > deadline:
            why = "a process ended" if ended else f"nothing within {limit_s:g} s"
            words = [line for process in (ended or processes)[:1] for line in process.last_words()]
            raise SluiceError(f"{what} did not start: {why}", words)
        time.sleep(_PAUSE_S)


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as line:
        return line.connect_ex(("localhost", port)) == 0


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    lines = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [line.getsockname()[1] for line in lines]
    for line in lines:
        line.close()
    return ports

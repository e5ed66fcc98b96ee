"""Runs in processes of their own, which are killed with all that they started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CONFIG = "pipeline/configs/demo.yaml"


def settings(data: Path, home: Path) -> list[str]:
    """What gives a run of the demo a place of its own."""
    return [f"data.source={data}", f"run.root={home}/runs", f"push.to={home}/models"]


def run(overrides: list[str]) -> tuple[int, float]:
    """Runs to the end.

    Returns:
      The exit status, and the seconds it took.
    """
    began = time.monotonic()
    return _started(overrides).wait(), time.monotonic() - began


def run_until(overrides: list[str], is_time: Callable[[float], bool]) -> bool:
    """Runs and kills the run, the process with its whole group, as soon as it is time.

    Args:
      overrides: see `settings`.
      is_time: asked every few milliseconds, with the seconds since the start.

    Returns:
      Whether it was killed; else it had come to its end before.
    """
    process, began = _started(overrides), time.monotonic()
    while process.poll() is None and not is_time(time.monotonic() - began):
        time.sleep(0.005)
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL if killed else False


def _started(overrides: list[str]) -> "subprocess.Popen[bytes]":
    options = [part for override in overrides for part in ("--set", override)]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "pipeline", "run", CONFIG, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

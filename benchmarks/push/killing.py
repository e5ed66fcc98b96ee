"""Pushes in processes of their own that are killed: before their n-th file operation, or at some moment."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Push = Callable[[Path, Path], str]  # base and source to the folder that the push says it made

_OPERATIONS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}  # of Python's audit events


def ours(base: Path, source: Path) -> str:
    """Pushes with this project's Pusher."""
    from components.pusher.local_target import LocalTarget
    from components.pusher.manifest import Origin
    from components.pusher.source import LocalFolder

    return LocalTarget(base).push(LocalFolder(source), Origin(), keep=5).path


def stock(base: Path, source: Path) -> str:
    """Pushes with TFX's Pusher executor."""
    from tfx import v1 as tfx
    from tfx.components.pusher.executor import Executor
    from tfx.utils import proto_utils

    model, pushed = tfx.types.standard_artifacts.Model(), tfx.types.standard_artifacts.PushedModel()
    model.uri, pushed.uri = str(source.parent), str(base.parent / "archive")
    destination = tfx.proto.PushDestination(
        filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(base))
    )
    inputs, outputs = {"model": [model]}, {"pushed_model": [pushed]}
    Executor().Do(inputs, outputs, {"push_destination": proto_utils.proto_to_json(destination)})
    return str(pushed.get_string_custom_property("pushed_destination"))


def push_in_child(
    push: Push,
    base: Path,
    source: Path,
    now_s: float,
    *,
    before: int | None = None,
    after_s: float | None = None,
) -> tuple[str | None, float]:
    """Pushes in a child.

    Args:
      push: `ours` or `stock`.
      base: of the versions.
      source: of the model.
      now_s: what the child's clock says.
      before: kill it before this file operation, counted from 1.
      after_s: kill it after so many seconds.

    Returns:
      What the push says it made (None where it was killed), and the seconds it took.
    """
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        os.close(reading)
        _be_the_child(push, base, source, now_s, before, writing)
    os.close(writing)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as told:
        said = told.read()
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - began
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None, seconds
    if status:
        raise SystemExit(f"a push failed of itself:\n{said}")
    return said, seconds


def _be_the_child(push: Push, base: Path, source: Path, now_s: float, before: int | None, tell: int) -> None:
    code = 1
    try:
        time.time = lambda: now_s
        _Counter(before).watch(base)
        os.write(tell, push(base, source).encode())
        code = 0
    except BaseException as error:  # noqa: BLE001 (whatever it is, the parent tells it)
        os.write(tell, repr(error).encode())
    os._exit(code)


class _Counter:
    """Counts the file operations below a folder and kills this process before one of them."""

    def __init__(self, before: int | None) -> None:
        self._count = 0
        self._before = before

    def watch(self, base: Path) -> None:
        def on_event(event: str, arguments: tuple[Any, ...]) -> None:
            if event in _OPERATIONS and _below(base, arguments):
                self._step()

        sys.addaudithook(on_event)
        self._wrap(os, "fsync")
        with contextlib.suppress(KeyError):  # only where the stock side runs; it asks TensorFlow's C++
            for name in ("copy", "makedirs", "mkdir"):
                self._wrap(sys.modules["tfx.dsl.io.fileio"], name)

    def _wrap(self, module: Any, name: str) -> None:
        plain = getattr(module, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self._step()
            return plain(*arguments, **options)

        setattr(module, name, counted)

    def _step(self) -> None:
        self._count += 1
        if self._count == self._before:
            os.kill(os.getpid(), signal.SIGKILL)


def _below(base: Path, arguments: tuple[Any, ...]) -> bool:
    return any(isinstance(one, str | os.PathLike) and str(one).startswith(str(base)) for one in arguments)

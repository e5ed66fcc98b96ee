"""A fresh process that holds an export as TensorFlow Serving would."""

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy.typing as npt

import serving

TIME_LIMIT_S = 900
_PACKAGES = ("numpy", "google.protobuf", "tensorflow")  # all that the loader needs
_SHOWN_LOG = 400

Inputs = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Attributes:
      outputs: an array for each output; none where it failed.
      error: TensorFlow's words; None where it was answered.
      code: of the error, see `ServingError`; 0 where there is none.
      seconds: that it took, of which the model's own are nearly all.
    """

    seconds: float
    outputs: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    error: str | None = None
    code: int = 0


class Died(Exception):
    """The process ended, or had to be ended, before it had answered."""


class FreshProcess:
    """A process that has loaded an export; see `fresh_process`.

    Attributes:
      loaded: what came of loading.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", folder: str, log: Path) -> None:
        self._process, self._log = process, log
        self._send(folder)
        self.loaded: Answer = Answer(**self._receive("loading it"))

    def ask(self, requests: Sequence[tuple[str, Inputs]]) -> Iterator[Answer]:
        """Asks once, all requests one after the other.

        Args:
          requests: signature and inputs of each.

        Raises:
          Died: at one of them.
        """
        self._send([(signature, dict(inputs)) for signature, inputs in requests])
        for signature, _ in requests:
            yield Answer(**self._receive(f"answering a request to {signature}"))

    def peak_bytes(self) -> int:
        """The most memory that the process held, once all requests are answered."""
        return int(self._receive("ending"))

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Died(self._how("starting")) from None

    def _receive(self, doing: str) -> Any:
        assert self._process.stdout is not None
        try:
            return pickle.load(self._process.stdout)  # noqa: S301 (from the process that was started here)
        except (EOFError, pickle.UnpicklingError):
            raise Died(self._how(doing)) from None

    def _how(self, doing: str) -> str:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"status {code}"
        log = self._log.read_text(errors="replace").strip()
        return f"the process ended with {how} while {doing}: {log[-_SHOWN_LOG:] or 'it said nothing'}"


@contextmanager
def fresh_process(export: str | Path) -> Iterator[FreshProcess]:
    """Starts a process with a copy of an export.

    Neither the project, but for the loader, nor the run's artifacts are where it looks: it begins in
    a folder of its own, isolated from the environment, and finds the copy there.

    Args:
      export: folder of the SavedModel, local.

    Raises:
      Died: when it could not start.
    """
    with tempfile.TemporaryDirectory(prefix="servability-") as home:
        copy, code, log = Path(home, "model", "1"), Path(home, "code"), Path(home, "log")
        shutil.copytree(export, copy)
        _copy_loader(code)
        command = [sys.executable, "-I", "-S", str(code / "worker.py"), str(code), *_folders(_PACKAGES)]
        with (
            log.open("wb") as errors,
            subprocess.Popen(  # noqa: S603 (this Python, with a file of this project)
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=home,
                env=_environment(),
            ) as process,
        ):
            limit = threading.Timer(TIME_LIMIT_S, process.kill)
            limit.start()
            try:
                yield FreshProcess(process, str(copy), log)
            finally:
                limit.cancel()
                process.kill()


def _copy_loader(code: Path) -> None:
    (package,) = serving.__path__
    shutil.copytree(
        Path(package, "loader"), code / "serving" / "loader", ignore=shutil.ignore_patterns("__pycache__")
    )
    (code / "serving" / "__init__.py").touch()
    shutil.copy(Path(__file__).with_name("worker.py"), code)


def _folders(packages: Iterable[str]) -> list[str]:
    """Where packages are installed; importing nothing."""
    found: dict[str, None] = {}
    for package in packages:
        spec = find_spec(package)
        assert spec is not None and spec.submodule_search_locations, package
        depth = package.count(".")
        found[str(Path(next(iter(spec.submodule_search_locations))).parents[depth])] = None
    return list(found)


def _environment() -> dict[str, str]:
    """Nothing of the caller's, but where libraries lie; no GPU, for a server has none."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}

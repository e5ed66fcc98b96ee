"""Contenders in processes of their own, which are told when to train an epoch. Needs no library."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.training.shapes import Shape

Epoch = Callable[[], None]
_CHECKOUT = Path(__file__).parents[2]
_PATIENCE_S = 10


def serve(make: Callable[[Shape, str], Epoch]) -> None:
    """Answers the lines of `Worker`; `make` gives, of a shape and a variant, what trains an epoch."""
    answers, epochs = sys.stdout, dict[str, Epoch]()
    for line in sys.stdin:
        asked = json.loads(line)
        seconds = 0.0
        with contextlib.redirect_stdout(sys.stderr):
            if "shape" in asked:
                shape = Shape(**asked["shape"])
                epochs = {variant: make(shape, variant) for variant in asked["variants"]}
            else:
                begin = time.perf_counter()
                epochs[asked["epoch"]]()
                seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)


class Worker:
    """A process that runs `serve`.

    Args:
      python: its interpreter.
      module: run with `-m`.
      threads: it may compute with.
    """

    def __init__(self, python: Path, module: str, threads: int) -> None:
        self._name = module
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}
        self._process = subprocess.Popen(
            [str(python), "-W", "ignore", "-m", module, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            text=True, cwd=_CHECKOUT, env=environment,
        )  # fmt: skip

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            self._process.communicate(timeout=_PATIENCE_S)  # closes its input, which ends it
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._said.close()

    def prepare(self, shape: Shape, variants: tuple[str, ...]) -> None:
        """Makes data and models of a shape, and forgets those of the last."""
        self._ask({"shape": asdict(shape), "variants": variants})

    def epoch(self, variant: str) -> float:
        """Seconds of one epoch."""
        return float(self._ask({"epoch": variant})["seconds"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:  # its end is reported below
            line = ""
        if not line:
            self._said.seek(0)
            raise SystemExit(f"{self._name} ended early:\n{self._said.read()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

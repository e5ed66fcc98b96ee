"""A pushed model and a server in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).parents[2]
_DEMO = _CHECKOUT / "pipeline" / "configs" / "demo.yaml"
NAME = "demo"
_START_S = 60


@dataclass(frozen=True)
class Server:
    """A stand-in that answers.

    Attributes:
      process: its id.
      port: of gRPC.
      rest_port: of REST.
    """

    process: int
    port: int
    rest_port: int


def push_demo(folder: Path) -> Path:
    """Runs the demo pipeline and gives the folder of the version that it pushed."""
    data = _CHECKOUT / "data" / "demo.csv"
    if not data.exists():
        _run("pipeline.demo_data", str(data))
    print("running the demo pipeline for a model", flush=True)
    _run("pipeline", "run", str(_DEMO), "--set", f"push.to={folder}", "--set", f"run.root={folder}/runs")
    (version,) = (path for path in (folder / NAME).iterdir() if path.name.isdecimal())
    return version


def _run(module: str, *arguments: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=_CHECKOUT)
    if done.returncode:
        raise SystemExit(f"{module} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


def put(model: Path, base: Path, version: int) -> None:
    """Adds a copy of a model as a version, which appears as a whole."""
    base.mkdir(parents=True, exist_ok=True)
    shutil.copytree(model, base / f".{version}")
    (base / f".{version}").rename(base / str(version))


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serves `<folder>/demo` with the stand-in until it is left."""
    log = folder / "serve.log"
    command = [sys.executable, "-W", "ignore", "-m", "pipeline", "serve", str(_DEMO), "--no-docker"]
    options = ["--set", f"push.to={folder}", "--port", "0", "--rest-port", "0"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, *options], stdout=file, stderr=file, cwd=_CHECKOUT, env=environment
        )
    try:
        port = int(_wait(process, log, r"gRPC  127\.0\.0\.1:(\d+)\n"))
        rest_port = int(_wait(process, log, r"REST  http://127\.0\.0\.1:(\d+)/"))
        _wait(process, log, r"version (\d+): available")
        yield Server(process.pid, port, rest_port)
    finally:
        process.terminate()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", log: Path, pattern: str) -> str:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(pattern, log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise SystemExit(f"the server does not come up:\n{log.read_text(errors='replace')[-2000:]}")


def inputs_of(model: Path, batch: int) -> dict[str, Any]:
    """The sequences of the example requests beside a model, as many times as the batch takes."""
    requests = json.loads((model / "assets.extra" / "example_requests.json").read_text(encoding="utf-8"))
    found: dict[str, list[Any]] = next(
        one["inputs"] for one in requests if one["signature_name"] == "sequences"
    )
    return {name: [rows[row % len(rows)] for row in range(batch)] for name, rows in found.items()}

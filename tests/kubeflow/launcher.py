"""Starts the container of a step as a process, with the command and arguments that were compiled."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp

from tests.kubeflow.specification import Step

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a step ended: the statuses of all attempts, and what the last one said."""

    statuses: tuple[int, ...]
    log: str


def launch(step: Step, told: kfp.ExecutorInput) -> Ended:
    """Runs a step until it succeeds, as often as its retry policy allows."""
    folder = Path(told.outputs.output_file).parent
    folder.mkdir(parents=True)
    words = [*step.container.command, *step.container.args]
    command = [json_format.MessageToJson(told) if word == "{{$}}" else word for word in words]
    assert not any("{{$" in word for word in command if word is not command[-1])
    assert command[0] == "python"
    command[0] = sys.executable
    statuses: list[int] = []
    for attempt in range(1 + step.task.retry_policy.max_retry_count):
        log = folder / f"attempt-{attempt}.log"
        with log.open("wb") as file:
            done = subprocess.run(
                command, cwd=folder, env=_environment(), stdout=file, stderr=file, check=False, timeout=400
            )
        statuses.append(done.returncode)
        if done.returncode == 0:
            break
    return Ended(tuple(statuses), log.read_text(encoding="utf-8", errors="replace"))


def _environment() -> dict[str, str]:
    """That of a container, which has the code where Python finds it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}

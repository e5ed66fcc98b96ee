"""One `sluice run` of an example configuration, in a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
CONFIGS = CHECKOUT / "pipeline" / "configs"


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
      exit_code: of the command.
      status: of run.json.
      error: of run.json, or None.
      metrics: of the evaluation split, overall; empty where it did not get that far.
      pushed: the model's folder, if it was pushed.
      seconds: of the whole command.
    """

    exit_code: int
    status: str
    error: str | None
    metrics: Mapping[str, float]
    pushed: Path | None
    seconds: float


def run(name: str, home: Path, seed: int, overrides: Mapping[str, Any]) -> Outcome:
    """Runs `pipeline/configs/<name>.yaml`.

    Args:
      name: of the configuration.
      home: folder of the runs and of what they push; the runs of one name share their cache.
      seed: of the training.
      overrides: key to value, as `--set` takes them.

    Raises:
      SystemExit: the command made no run, for the configuration is wrong.
    """
    own = {"run.root": str(home / "runs"), "push.to": str(home / "serving_models"), "training.seed": seed}
    own["gate.max_drop"] = None  # each seed is judged by itself, not against the one before
    sets = [
        part
        for key, value in {**own, **overrides}.items()
        for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    latest = home / "runs" / name / "latest"
    before, begin = latest.resolve(), time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-m", "pipeline", "run", str(CONFIGS / f"{name}.yaml"), *sets]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=CHECKOUT)
    seconds = time.perf_counter() - begin
    if latest.resolve() == before or not (latest / "run.json").exists():
        raise SystemExit(f"{name}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    found = json.loads((latest / "run.json").read_text(encoding="utf-8"))
    return Outcome(
        exit_code=done.returncode,
        status=found["status"].replace("_", " "),
        error=found["error"],
        metrics=_overall(latest / "evaluation.json"),
        pushed=Path(found["pushed"]["path"]) if found["pushed"] else None,
        seconds=seconds,
    )


def _overall(evaluation: Path) -> dict[str, float]:
    if not evaluation.exists():
        return {}
    slices = json.loads(evaluation.read_text(encoding="utf-8"))["slices"]
    (overall,) = (one for one in slices if not one["slice"])
    metrics = {name: one["value"] for name, one in overall["metrics"].items()}
    return {name: value for name, value in metrics.items() if value is not None}

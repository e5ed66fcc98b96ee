"""deepchecks in an environment of its own, for it needs older libraries than TFX has."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.environments import CannotBeMade, python_with

_REQUIREMENTS = Path(__file__).with_name("deepchecks.txt")
_SCRIPT = Path(__file__).with_name("deepchecks_run.py")


def python_of_deepchecks() -> Path:
    """Makes the environment where it is missing, in the user's cache, and gives its Python."""
    try:
        return python_with(_REQUIREMENTS)
    except CannotBeMade as error:
        raise SystemExit(
            f"deepchecks could not be installed; leave it out with --no-deepchecks\n{error}"
        ) from error


def failed_conditions(folder: Path, names: Sequence[str], jobs: int) -> dict[str, list[str]]:
    """Which conditions of deepchecks fail on each pair of tables in a folder.

    Args:
      folder: what `flat.write_flat` wrote.
      names: the pairs.
      jobs: processes; each imports deepchecks once.

    Returns:
      Name to failed conditions; a pair at which deepchecks' process ended, and those after it, are missing.
    """
    python = python_of_deepchecks()
    with ThreadPoolExecutor(jobs) as threads:
        parts = threads.map(lambda first: _run(python, folder, names[first::jobs]), range(jobs))
        return {name: failed for part in parts for name, failed in part.items()}


def _run(python: Path, folder: Path, names: Sequence[str]) -> dict[str, list[str]]:
    if not names:
        return {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    command = [str(python), "-W", "ignore", str(_SCRIPT), str(folder), *names]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        done = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=said, text=True, env=environment
        )
        said.seek(0)
        if done.returncode:
            print(f"deepchecks ended early:\n{said.read()[-2000:]}", flush=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["name"]: one["failed"] for one in found}

"""deepchecks in an environment of its own, for it needs older libraries than TFX has."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_REQUIREMENTS = Path(__file__).with_name("deepchecks.txt")
_SCRIPT = Path(__file__).with_name("deepchecks_run.py")
_CHECKOUT = Path(__file__).parents[2]


def python_of_deepchecks() -> Path:
    """Makes the environment where it is missing, in the user's cache, and gives its Python."""
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "sluice-benchmarks" / f"deepchecks-{digest}"
    python = home / "bin" / "python"
    if (home / "complete").exists():
        return python
    print("making an environment for deepchecks", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    uv, environment = _uv()
    _call([uv, "venv", "--quiet", "--python", sys.executable, str(home)], environment)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(_REQUIREMENTS)]
    _call(install, environment)
    (home / "complete").touch()
    return python


def _uv() -> tuple[str, dict[str, str]]:
    """The uv that made the project's environment, and an environment that names the package index."""
    own = _CHECKOUT / ".uv" / "bin"
    uv = shutil.which("uv") or str(own / "uv")
    environment = dict(os.environ)
    if (own / "python").exists():  # uv does not read pip's configuration, see requirements/install.sh
        asked = [str(own / "python"), "-m", "pip", "config", "get", "global.index-url"]
        index = (
            os.environ.get("PIP_INDEX_URL")
            or subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()
        )
        if index:
            environment.setdefault("UV_DEFAULT_INDEX", index)
    return uv, environment


def _call(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(
            f"deepchecks could not be installed; leave it out with --no-deepchecks\n{done.stderr}"
        )


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

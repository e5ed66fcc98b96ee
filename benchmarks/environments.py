"""Environments of their own in the user's cache, for what cannot stand beside TFX."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parents[1]


class CannotBeMade(Exception):
    """An environment could not be installed."""


def python_with(requirements: Path) -> Path:
    """The Python of an environment that has what a requirements file names; makes it where it is missing.

    Args:
      requirements: `<name>.txt`; the environment is called by that name and the file's digest.

    Raises:
      CannotBeMade: with what uv said.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "sluice-benchmarks" / f"{requirements.stem}-{digest}"
    python = home / "bin" / "python"
    if (home / "complete").exists():
        return python
    print(f"making an environment for {requirements.stem}", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    uv, environment = _uv()
    _call([uv, "venv", "--quiet", "--python", sys.executable, str(home)], environment)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)]
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
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    except OSError as error:
        raise CannotBeMade(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise CannotBeMade(done.stderr)

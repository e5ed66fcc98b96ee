"""A run's folder: `<run.root>/<name>/<run id>/`, and `latest` pointing to the newest."""

import json
import os
import platform
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError

RUN, VALIDATION, EVALUATION = "run.json", "validation.json", "evaluation.json"
VERDICT, SERVABILITY, STATISTICS = "verdict.json", "servability.json", "statistics.json"
LOG = "run.log"
LATEST = "latest"
ARTIFACTS = "artifacts"  # TFX's pipeline root, shared by the runs of one name so that its cache works
METADATA = "metadata.sqlite"
RUNNING, KILLED = "running", "killed"  # status of a run that has not ended, and never will


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def create(home: Path) -> Path:
    """Makes a new run's folder under `home` (`<run.root>/<name>`) and points `latest` to it.

    Its run.json says that it is running, and in which process.

    Raises:
      ConfigError: the folder cannot be written.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    try:
        (home / ARTIFACTS).mkdir(parents=True, exist_ok=True)
        folder = next(path for path in _candidates(home, stamp) if _make(path))
        write(folder, RUN, {**begun(folder), "process": this_process()})
        point = home / f".{LATEST}-{folder.name}"
        point.symlink_to(folder.name)
        point.replace(home / LATEST)
    except OSError as error:
        raise ConfigError(f"run.root: cannot write to {home} ({error.strerror})") from error
    return folder


def begun(folder: Path) -> dict[str, Any]:
    """run.json of a run that has done nothing yet.

    `metadata_run` is its name in ML Metadata, where those of other names and machines may be: it begins with
    the run id, see `run_id_of`.
    """
    return {
        "run_id": folder.name,
        "name": folder.parent.name,
        "status": RUNNING,
        "exit_code": None,
        "started": now(),
        "finished": None,
        "error": None,
        "process": None,
        "metadata_run": f"{folder.name}.{uuid.uuid4().hex[:12]}",
        "stages": [],
        "pushed": None,
    }


def run_id_of(metadata_run: str) -> str:
    """The run id in a run's name in ML Metadata."""
    return metadata_run.partition(".")[0]


def this_process() -> dict[str, Any]:
    """What tells this process from those that write beside it."""
    return {"pid": os.getpid(), "host": platform.node()}


def process_in_words(process: Mapping[str, Any]) -> str:
    """Such as `process 123 on host`."""
    return f"process {process['pid']} on {process['host']}"


def _candidates(home: Path, stamp: str) -> Iterator[Path]:
    yield home / stamp
    for number in range(2, 100):
        yield home / f"{stamp}-{number}"


def _make(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def write(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Writes a JSON file of a run; readers see the old one or the new one, never a half."""
    part = folder / f".{name}.part"
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(folder / name)


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """A JSON file of a run; None where the run did not come that far."""
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigError(f"{folder / name}: not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{folder / name}: expected a JSON object, got {type(found).__name__}")
    return found


def runs(home: Path) -> list[Path]:
    """The run folders of one name, newest first; also those of runs that were killed."""
    if not home.is_dir():
        return []
    skipped = {LATEST, ARTIFACTS}
    found = [path for path in home.iterdir() if path.is_dir() and path.name not in skipped]
    return sorted(found, key=lambda path: path.name, reverse=True)


def find(run: str | None, root: Path) -> Path:
    """The folder of a run.

    Args:
      run: a folder, a run id, or a model's name (its latest run); None means the newest of all.
      root: `run.root`, where ids and names are looked up.

    Raises:
      ConfigError: there is no such run.
    """
    if run is not None and any((Path(run) / file).is_file() for file in (RUN, LOG)):
        return Path(run).resolve()
    homes = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    known = [folder for home in homes for folder in runs(home)]
    if run is None:
        wanted = known
    else:
        wanted = [folder for folder in known if run in (folder.name, folder.parent.name)]
    if not wanted:
        what = "no run" if run is None else f"no run {run!r}"
        raise ConfigError(f"{what} found in {root}", ["give the folder of a run, such as runs/demo/latest"])
    return max(wanted, key=lambda folder: folder.name)

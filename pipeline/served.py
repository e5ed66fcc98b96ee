"""What was pushed for TensorFlow Serving, and which run pushed it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import record
from pipeline.config import Config


def version_lines(config: Config) -> Iterator[str]:
    """A line for each version, newest first: when and by which run it was pushed, and who forced it.

    TensorFlow Serving serves the newest, which is marked.
    """
    there = versions(config)
    pushed = _pushed(Path(config.run.root, config.name))
    if not there:
        yield f"no version in {_base(config)}"
    for place, version in enumerate(path.name for path in there):
        run = pushed.get(version)
        made = f"run {run['run_id']}, {run['finished']}" if run else "by no run that is on record here"
        forced = f"; forced: {run['forced']}" if run and run["forced"] else ""
        yield f"{version}  {'served' if place == 0 else '      '}  {made}{forced}"


def versions(config: Config) -> list[Path]:
    """The folders of the versions that TensorFlow Serving finds, the one it serves first."""
    base = _base(config)
    there = [path for path in base.iterdir() if path.name.isdecimal()] if base.is_dir() else []
    return sorted(there, key=lambda path: int(path.name), reverse=True)


def _base(config: Config) -> Path:
    return Path(config.push.to, config.name)


def _pushed(home: Path) -> dict[str, dict[str, Any]]:
    """Version to the first run that pushed it, with the reason if it was forced."""
    found: dict[str, dict[str, Any]] = {}
    for folder in record.runs(home):
        run = record.read(folder, record.RUN)
        if run and run["pushed"]:
            verdict = record.read(folder, record.VERDICT) or {}
            found[run["pushed"]["version"]] = {**run, "forced": verdict.get("forced")}
    return found

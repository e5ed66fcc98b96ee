"""What was pushed for TensorFlow Serving, and which run pushed it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.pusher.manifest import Manifest
from components.pusher.rollback import roll_back
from components.pusher.target import target_at
from pipeline import record
from pipeline.config import Config
from serving.version_folders import version_number

_SHORT = 12  # characters of a SHA-256
WHY_A_NEW_VERSION = (
    "TensorFlow Serving serves the highest number, and a folder under a running server must neither change "
    "nor go: so every replica comes to the same version"
)


def rows(config: Config) -> list[dict[str, Any]]:
    """Each version, newest first: from its manifest, else from the run on record that pushed it."""
    target = target_at(config.push_base)
    manifests, runs = target.manifests(), _pushed(Path(config.run.root, config.name))
    return [
        {
            "version": version,
            "served": place == 0,
            "path": path,
            **(_of_manifest(made) if (made := manifests.get(version)) else _of_run(runs.get(version))),
            "damaged_record": version in manifests and made is None,
        }
        for place, (version, path) in enumerate(target.versions().items())
    ]


def newest(config: Config) -> dict[str, Any] | None:
    """The version that TensorFlow Serving serves, as in `rows`; None where there is none."""
    return next(iter(rows(config)), None)


def version_lines(config: Config) -> Iterator[str]:
    """A line for each version, newest first: when and by which run it was pushed, and who forced it.

    TensorFlow Serving serves the newest, which is marked.
    """
    found = rows(config)
    if not found:
        yield f"no version in {config.push_base}"
    for row in found:
        yield f"{row['version']}  {'served' if row['served'] else '      '}  {'; '.join(_remarks(row))}"


def rollback_lines(config: Config, version: int | None, *, reason: str, by: str) -> Iterator[str]:
    """Goes back to an old version, and says what it did."""
    runs = _pushed(Path(config.run.root, config.name))
    old, pushed, skipped = roll_back(
        target_at(config.push_base),
        version,
        keep=config.push.keep,
        reason=reason,
        by=by,
        on_record={
            number: run["pushed"]["sha256"] for number, run in runs.items() if "sha256" in run["pushed"]
        },
    )
    yield from skipped
    yield f"pushed version {old} again as version {pushed.version}, its files verified"
    yield f"  {WHY_A_NEW_VERSION}"


def _remarks(row: dict[str, Any]) -> Iterator[str]:
    if row["damaged_record"]:
        yield "its manifest is damaged"
    if row["pushed_at"] is None:
        yield "by no run that is on record here"
        return
    run = f"run {row['run_id']}, " if row["run_id"] else ""
    short = f", {row['sha256'][:_SHORT]}" if row["sha256"] else ""
    yield f"{run}{row['pushed_at']}{short}"
    if forced := row["forced"]:
        yield f"forced{f' by {by}' if (by := forced['by']) else ''}: {forced['reason']}"
    if back := row["rolled_back_from"]:
        why = f": {back['reason']}" if back["reason"] else ""
        yield f"rolled back from {back['version']} to {back['to']} by {back['by']}{why}"


def _of_manifest(manifest: Manifest) -> dict[str, Any]:
    return {**manifest.summary(), "manifest": True}


def _of_run(run: dict[str, Any] | None) -> dict[str, Any]:
    """The same from a run's record; a version from before there were manifests, or another tool's."""
    return {
        "sha256": run["pushed"].get("sha256") if run else None,
        "pushed_at": run["finished"] if run else None,
        "run_id": run["run_id"] if run else None,
        "verdict": None,
        "forced": run["forced"] if run else None,
        "rolled_back_from": None,
        "manifest": False,
    }


def _pushed(home: Path) -> dict[int, dict[str, Any]]:
    """Version to the first run that pushed it, with the reason if it was forced."""
    found: dict[int, dict[str, Any]] = {}
    for folder in record.runs(home):
        run = record.read(folder, record.RUN)
        version = version_number(run["pushed"]["version"]) if run and run["pushed"] else None
        if run and version is not None:
            verdict = record.read(folder, record.VERDICT) or {}
            forced = verdict.get("forced")
            found[version] = {
                **run,
                "forced": forced and {"reason": forced, "by": verdict.get("forced_by")},
            }
    return found

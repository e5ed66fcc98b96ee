"""What a run has come to, as far as it must not depend on how often it was killed, and what is amiss."""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.pusher.local_target import LocalTarget
from pipeline import lineage, metadata_connection, record
from pipeline.config import Config

_RUNNING, _DONE = 2, (3, 5)  # states of an execution in ML Metadata's tables: RUNNING, COMPLETE and CACHED


def of_run(config: Config) -> dict[str, Any]:
    """The outcome of the newest run.

    TFMA's bootstrap draws its intervals anew in each run (docs/gate.md), so of evaluation.json the values
    are compared; exact intervals stand in verdict.json, of which everything is. The graph of an export names
    its nodes as it comes; its variables and vocabularies are what answers. The time of an epoch is left out.
    """
    folder = _newest(config)
    run = record.read(folder, record.RUN) or {}
    found = lineage.outputs(metadata_connection.connection(config), run["metadata_run"])
    evaluation = record.read(folder, record.EVALUATION) or {"slices": []}
    export = Path(run["pushed"]["path"])
    return {
        "status": (run["status"], run["exit_code"]),
        "Examples": _digests(Path(found["Ingest"]["examples"].uri)),
        "findings": record.read(folder, record.VALIDATION),
        "epochs": [
            {name: value for name, value in epoch.items() if name != "seconds"}
            for epoch in run["training"]["epochs"]
        ],
        "metrics": [
            (one["slice"], {name: metric["value"] for name, metric in one["metrics"].items()})
            for one in evaluation["slices"]
        ],
        "verdict": record.read(folder, record.VERDICT),
        "model": _digests(export / "variables") | _digests(export / "assets"),
    }


def faults(config: Config) -> Iterator[str]:
    """What is amiss in what runs have left: versions that are served, ML Metadata, folders."""
    yield from _faults_of_versions(config)
    home = Path(config.run.root, config.name)
    with sqlite3.connect(home / record.ARTIFACTS / record.METADATA) as database:
        (said,) = database.execute("PRAGMA integrity_check").fetchone()
        executions = dict(database.execute("SELECT id, last_known_state FROM Execution"))
    if said != "ok":
        yield f"integrity_check: {said}"
    yield from (f"execution {one} is running" for one, state in executions.items() if state == _RUNNING)
    for path in sorted((home / record.ARTIFACTS).glob("*/*/*")):
        if path.name.isdecimal() and executions.get(int(path.name)) not in _DONE:
            yield f"{path} is left over"
    unswept = [*home.glob(".latest-*"), *home.glob("*/.*.part"), *home.glob("artifacts/*/unfinished")]
    yield from (f"{path} is left over" for path in unswept)
    for folder in record.runs(home)[1:]:
        run = record.read(folder, record.RUN) or {"status": None}
        if run["status"] != record.KILLED and not had_ended(run):
            yield f"the run before the last one is {run['status']}, not killed"


def had_ended(run: Mapping[str, Any]) -> bool:
    """Whether a run was done and on record, all but its report."""
    return run["status"] == "pushed" and run["finished"] is not None


def _faults_of_versions(config: Config) -> Iterator[str]:
    target = LocalTarget(config.push_base)
    manifests = target.manifests()
    for version in target.versions():
        made = manifests.get(version)
        if made is None or made.files != target.digests(version):
            yield f"version {version} is not whole"
    if len(target.versions()) != 1:
        yield f"{len(target.versions())} versions are served, not 1"


def _newest(config: Config) -> Path:
    return Path(config.run.root, config.name, record.LATEST).resolve()


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

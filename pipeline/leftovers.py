"""What runs that were killed have left behind: the next run sweeps it up, under the lock.

A run writes, in this order: its folder and run.json; for each stage an execution in ML Metadata, then folders
that have the execution's number, then in one transaction that the execution is done and what came of it; at
last the files of its own folder. So what is done is whole, and what is not is of no use to anybody: its
folders go, and its execution is marked as failed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from pipeline import lineage, record
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as mlmd


def sweep(folder: Path, artifacts: str, metadata: "mlmd.ConnectionConfig") -> list[dict[str, Any]]:
    """Brings in order what was left behind by the runs before one.

    Args:
      folder: of the run that is about to begin, and holds the lock.
      artifacts: where those of all runs are, local or remote.
      metadata: how ML Metadata is reached.

    Returns:
      run.json of each run that was killed or interrupted since, newest first.
    """
    home = folder.parent
    for link in home.glob(f".{record.LATEST}-*"):
        link.unlink()
    for working in tf.io.gfile.glob(f"{artifacts}/*/.system/stateful_working_dir/*"):
        tf.io.gfile.rmtree(working)
    left = [other for other in record.runs(home) if other != folder and _is_untidy(other)]
    return [_tidy(other, artifacts, metadata) for other in left]


def refuse_strange_artifacts(artifacts: str, metadata: "mlmd.ConnectionConfig") -> None:
    """Ends where executions to come would write into folders that are there: of another ML Metadata.

    Raises:
      ConfigError: the artifacts and ML Metadata do not belong together.
    """
    names = (path.rstrip("/").rpartition("/")[2] for path in tf.io.gfile.glob(f"{artifacts}/*/*/*"))
    numbers = (int(name) for name in names if name.isdecimal())
    highest, known = max(numbers, default=0), lineage.newest_execution(metadata)
    if highest > known:
        raise ConfigError(
            "the artifacts are not those of this ML Metadata",
            [
                f"run.metadata: {artifacts} holds the results of execution {highest}, and only {known} are "
                "known; name the database they belong to, move them away, or use another place (run.root, "
                "run.artifacts)"
            ],
        )


def _is_untidy(folder: Path) -> bool:
    """Whether a run ended without a last word, or was interrupted in the middle of a stage."""
    try:
        run = record.read(folder, record.RUN)
    except ConfigError:  # damaged by something else: whoever reads it is told
        return False
    return run is None or run.get("process") is not None


def _tidy(folder: Path, artifacts: str, metadata: "mlmd.ConnectionConfig") -> dict[str, Any]:
    run = record.read(folder, record.RUN) or record.begun(folder)
    if run["status"] == record.RUNNING:
        run["status"] = record.KILLED
    undone = lineage.undone(metadata, run["metadata_run"])
    for number, stage in undone.items():
        for path in _folders(f"{artifacts}/{stage}", number):
            tf.io.gfile.rmtree(path)
    lineage.mark_failed(metadata, list(undone))
    for part in folder.glob(".*.part"):
        part.unlink()
    run["process"] = None
    record.write(folder, record.RUN, run)
    return run


def _folders(stage: str, number: int) -> Iterator[str]:
    """What an execution has written to: its artifacts, and TFX's notes."""
    yield from tf.io.gfile.glob(f"{stage}/*/{number}")
    yield from tf.io.gfile.glob(f"{stage}/.system/executor_execution/{number}")

"""One run at a time of one name below one `run.root`: they share artifacts and metadata."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import ThreadError
from typing import TYPE_CHECKING, Any

from pipeline import record
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import fasteners

_FILE = "lock"
_PATIENCE_S = 1.0  # `is_held` takes the lock for a moment, which is no reason to refuse a run


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Keeps every other run out of `<run.root>/<name>`; the kernel opens the lock when the process dies.

    Raises:
      ConfigError: another run is at work there, or there can be no lock.
    """
    import fasteners  # not above: the command line is to start where it is missing, for `sluice doctor`

    lock = fasteners.InterProcessLock(home / _FILE)
    if not _acquired(lock, home):
        raise ConfigError(
            f"{home}: another run is at work there",
            [f"{_at_work(home)}; wait until it has ended, or give this one another place: --set run.root=…"],
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def new_run(home: Path) -> Iterator[Path]:
    """Makes the folder of a new run, see `record.create`, and keeps every other run out meanwhile."""
    with held(home):
        yield record.create(home)


def is_held(home: Path) -> bool:
    """Whether a run of another process is at work; never ask while this one holds the lock."""
    try:
        with (home / _FILE).open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _acquired(lock: "fasteners.InterProcessLock", home: Path) -> bool:
    try:
        if lock.acquire(timeout=_PATIENCE_S):
            return True
    except (OSError, ThreadError) as error:  # of fasteners, which makes the second of the first now and then
        said = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"run.root: cannot lock {home} ({said})",
            ["give a folder that can be written, on a file system that has locks"],
        ) from error
    finally:
        if not lock.acquired and lock.lockfile is not None:
            lock.lockfile.close()
    return False


def outcome(folder: Path) -> dict[str, Any]:
    """run.json of a run, where `running` is true: of a process that is gone the status is `killed`."""
    run = record.read(folder, record.RUN) or record.begun(folder)
    if run.get("status") == record.RUNNING and not is_held(folder.parent):
        run["status"] = record.KILLED
    return run


def _at_work(home: Path) -> str:
    """The run that holds the lock, in words: the newest."""
    run = next((record.read(folder, record.RUN) for folder in record.runs(home)), None)
    if run is None or not run.get("process"):
        return "it has just begun"
    return f"run {run['run_id']}, since {run['started']}, {record.process_in_words(run['process'])}"

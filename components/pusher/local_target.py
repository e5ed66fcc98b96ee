"""A base path on a local file system: versions appear by one rename."""

import contextlib
import errno
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import fasteners

from components.pusher import durable, leftovers, manifest
from components.pusher.audit_log import PUSHED, REMOVED, ROLLED_BACK, AuditLog
from components.pusher.manifest import Manifest, Origin
from components.pusher.numbering import next_version, surplus
from components.pusher.source import LocalFolder, Source, digests_of, digests_of_model, refuse_changes
from components.pusher.target import AUDIT, HOME, VERSIONS, Pushed, content
from pipeline.errors import SluiceError
from pipeline.fingerprint import Digest
from pipeline.record import now
from serving.version_folders import version_number

log = logging.getLogger("sluice.pusher")

_WAIT_S = 600.0  # for another push to end
_IN_THIS_PROCESS = threading.Lock()  # the lock on the file is between processes only


class LocalTarget:
    """A folder that TensorFlow Serving polls.

    What is ours in it is below `.sluice`: `lock`, `staging/<uuid>` (what a push copies), `trash/<uuid>` (what
    retention removes), `versions/<version>.json` (manifests) and `audit.jsonl`.
    """

    def __init__(self, base: str | Path) -> None:
        self.base = str(base)
        self.home = Path(base, HOME)
        self.staging, self.trash = self.home / "staging", self.home / "trash"
        self.log = AuditLog(self.home / f"{AUDIT}.jsonl")

    def versions(self) -> dict[int, str]:
        """See `Target`."""
        base = Path(self.base)
        there = {version_number(path.name): path for path in base.iterdir()} if base.is_dir() else {}
        found = {
            version: str(path) for version, path in there.items() if version is not None and path.is_dir()
        }
        return dict(sorted(found.items(), reverse=True))

    def manifests(self) -> dict[int, Manifest | None]:
        """See `Target`."""
        found: dict[int, Manifest | None] = {}
        for version in self.recorded():
            try:
                found[version] = manifest.parse(self.manifest_path(version).read_bytes(), version)
            except FileNotFoundError:  # a push may remove one meanwhile
                continue
            except OSError:
                found[version] = None
        return found

    def recorded(self) -> list[int]:
        """The versions that have a manifest, readable or not."""
        folder = self.home / VERSIONS
        files = folder.iterdir() if folder.is_dir() else ()
        found = ((version_number(path.stem), path.name) for path in files)
        return [version for version, name in found if version is not None and name == f"{version}.json"]

    def manifest_path(self, version: int) -> Path:
        """The file that holds a version's manifest."""
        return self.home / VERSIONS / f"{version}.json"

    def source(self, version: int) -> Source:
        """See `Target`."""
        return LocalFolder(self.versions()[version])

    def digests(self, version: int) -> dict[str, Digest]:
        """See `Target`."""
        try:
            return digests_of(self.source(version))
        except OSError as error:
            raise SluiceError(f"version {version} cannot be read", [f"{error}; look at the disk"]) from error

    def push(
        self, source: Source, origin: Origin, keep: int, expected: Mapping[str, Digest] | None = None
    ) -> Pushed:
        """See `Target`."""
        with _in_words(self.base), self._locked():
            leftovers.sweep(self)
            served = next(iter(self.versions()), None)
            files = digests_of_model(source, expected)
            sha256 = manifest.of_files(files)
            if served is not None and content(self, served) == files:
                return Pushed(served, self.versions()[served], sha256, already_served=True)
            made = Manifest(self._next(), sha256, files, now(), origin)
            self._publish(source, made)
            self._tidy(made, served, keep)
        return Pushed(made.version, str(Path(self.base, str(made.version))), sha256)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps every other push out; the kernel opens the lock when the process dies."""
        for folder in (self.staging, self.trash, self.home / VERSIONS):
            folder.mkdir(parents=True, exist_ok=True)
        lock = fasteners.InterProcessLock(self.home / "lock")
        with _IN_THIS_PROCESS:
            if not _acquired(lock):
                lock.lockfile.close()
                raise SluiceError(
                    f"the model was not pushed to {self.base}",
                    [f"another push has been at work there for {_WAIT_S:.0f} s; let it end, or end it"],
                )
            try:
                yield
            finally:
                lock.release()

    def _next(self) -> int:
        names = (version_number(path.name) for path in Path(self.base).iterdir())
        there = {version for version in names if version is not None}
        logged = {event["version"] for event in self.log.events()}
        return next_version(there | logged | set(self.recorded()), time.time())

    def _publish(self, source: Source, made: Manifest) -> None:
        """Copies beside, verifies, writes the manifest, and only then gives the copy its number."""
        staged = self.staging / uuid.uuid4().hex
        version = Path(self.base, str(made.version))
        try:
            copy_folder(source, made.files, staged)
            durable.write(self.manifest_path(made.version), made.as_json())
            staged.rename(version)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            if not version.exists():
                self.manifest_path(made.version).unlink(missing_ok=True)
            raise
        durable.sync_folder(Path(self.base))

    def _tidy(self, made: Manifest, served: int | None, keep: int) -> None:
        """Writes the audit log and removes what is beyond `keep`; what fails here the next push does."""
        try:
            event = ROLLED_BACK if made.origin.rolled_back_from else PUSHED
            self.log.add(event, **made.summary())
            ours = self.versions().keys() & {version for version, found in self.manifests().items() if found}
            for version in surplus(ours, keep, served):
                self._remove(version)
        except OSError as error:
            log.warning("version %d was pushed, but not all tidied up behind it: %s", made.version, error)

    def _remove(self, version: int) -> None:
        """Takes a version out of sight by one rename, and deletes it there."""
        trash = self.trash / uuid.uuid4().hex
        Path(self.versions()[version]).rename(trash)
        durable.sync_folder(Path(self.base))
        self.forget(version, REMOVED)
        shutil.rmtree(trash, ignore_errors=True)

    def forget(self, version: int, event: str) -> None:
        """Moves what is on record of a version without a folder to the audit log."""
        found = self.manifests().get(version)
        self.log.add(event, **(found.summary() if found else {"version": version}))
        self.discard_manifest(version)

    def discard_manifest(self, version: int) -> None:
        """Removes a version's manifest, also where a folder has taken its place."""
        path = self.manifest_path(version)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _acquired(lock: fasteners.InterProcessLock) -> bool:
    """Takes the lock, and says so where that means to wait."""
    if lock.acquire(blocking=False):
        return True
    log.info("waiting for another push to end, up to %.0f s", _WAIT_S)
    return bool(lock.acquire(timeout=_WAIT_S))


def copy_folder(source: Source, files: Mapping[str, Digest], target: Path) -> None:
    """Copies files into a new folder, durably, and reads them back.

    Raises:
      SluiceError: the source changed meanwhile, or the copy is not what was read.
    """
    target.mkdir()
    read = {}
    for name in files:
        copied = target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        with source.open(name) as file:
            read[name] = durable.copy(file, copied)
    durable.sync_tree(target)
    refuse_changes(files, read, f"{source.path} changed while it was being copied; run it again")
    refuse_changes(
        files, digests_of(LocalFolder(target)), f"the copy in {target} is damaged; look at the disk"
    )


_REMEDIES = {
    errno.ENOSPC: "free some space, or keep fewer versions (push.keep)",
    errno.EDQUOT: "free some space, or keep fewer versions (push.keep)",
    errno.EROFS: "mount it for writing, or give another folder (push.to)",
    errno.EACCES: "give this user the right to write there, or give another folder (push.to)",
    errno.EPERM: "give this user the right to write there, or give another folder (push.to)",
    errno.ENOTDIR: "expected a folder, and a file is there; give another folder (push.to)",
    errno.EEXIST: "expected a folder, and a file is there; give another folder (push.to)",
}


@contextlib.contextmanager
def _in_words(base: str) -> Iterator[None]:
    """Makes one clear message of what the file system refused."""
    try:
        yield
    except (OSError, threading.ThreadError) as error:
        code = error.errno if isinstance(error, OSError) else None
        what = os.strerror(code) if code else str(error)
        place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        remedy = _REMEDIES.get(code or 0, "look at the disk, and push again")
        raise SluiceError(
            f"the model was not pushed to {base}; what was served before is as it was",
            [f"{place}{what}; {remedy}"],
        ) from error

"""A base path of an object store, which has no rename and no lock: `saved_model.pb` comes last."""

import contextlib
import json
import logging
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import tensorflow as tf

from components.pusher import audit_log, manifest
from components.pusher.audit_log import PUSHED, REMOVED, ROLLED_BACK
from components.pusher.manifest import Manifest, Origin
from components.pusher.numbering import next_version, surplus
from components.pusher.source import (
    SAVED_MODEL,
    Source,
    digests_of,
    digests_of_model,
    refuse_changes,
)
from components.pusher.target import AUDIT, HOME, VERSIONS, Pushed, content
from pipeline import locations
from pipeline.errors import SluiceError
from pipeline.fingerprint import Digest, Readable, digest_of
from pipeline.record import now
from serving.version_folders import version_number

log = logging.getLogger("sluice.pusher")

_RESERVED = "reserved"
_DEAD_AFTER_S = 3600  # a push that began so long ago and has no saved_model.pb is taken for dead
_MOST_TRIES = 100


class RemoteFolder:
    """A folder of any file system that TensorFlow reads."""

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/")

    def files(self) -> list[str]:
        """See `Source`."""
        return locations.files_below(self.path)

    def open(self, name: str) -> AbstractContextManager[Readable]:
        """See `Source`."""
        file: AbstractContextManager[Readable] = tf.io.gfile.GFile(f"{self.path}/{name}", "rb")
        return file


class ObjectStore:
    """A prefix that TensorFlow Serving polls.

    What is ours in it is below `.sluice`: `reserved/<version>/<uuid>` (who makes this version),
    `versions/<version>.json` (manifests) and `audit/<version>-<event>.json`.
    """

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._home = f"{self.base}/{HOME}"
        locations.exists(self.base)  # lists of a file system that is not there are empty

    def versions(self) -> dict[int, str]:
        """See `Target`; a version without `saved_model.pb` is not complete, and is left out."""
        found = [
            (version, f"{self.base}/{name}")
            for name in _names(self.base)
            if (version := version_number(name)) is not None
        ]
        whole = [one for one in found if tf.io.gfile.exists(f"{one[1]}/{SAVED_MODEL}")]
        return dict(sorted(whole, reverse=True))

    def manifests(self) -> dict[int, Manifest | None]:
        """See `Target`."""
        found: dict[int, Manifest | None] = {}
        for name in _names(f"{self._home}/{VERSIONS}"):
            version = version_number(name.removesuffix(".json"))
            if version is None or name != f"{version}.json":
                continue
            try:
                found[version] = manifest.parse(_read(self._manifest_path(version)), version)
            except tf.errors.NotFoundError:  # a push may remove one meanwhile
                continue
            except tf.errors.OpError:
                found[version] = None
        return found

    def source(self, version: int) -> Source:
        """See `Target`."""
        return RemoteFolder(self.versions()[version])

    def digests(self, version: int) -> dict[str, Digest]:
        """See `Target`."""
        with _in_words(f"version {version} cannot be read"):
            return digests_of(self.source(version))

    def push(
        self, source: Source, origin: Origin, keep: int, expected: Mapping[str, Digest] | None = None
    ) -> Pushed:
        """See `Target`."""
        with _in_words(f"the model was not pushed to {self.base}; what was served before is as it was"):
            self._sweep()
            there = self.versions()
            served = next(iter(there), None)
            files = digests_of_model(source, expected)
            sha256 = manifest.of_files(files)
            if served is not None and content(self, served) == files:
                return Pushed(served, there[served], sha256, already_served=True)
            made = Manifest(self._reserve(), sha256, files, now(), origin)
            self._upload(source, made)
        self._tidy(made, served, keep)
        return Pushed(made.version, f"{self.base}/{made.version}", sha256)

    def _reserve(self) -> int:
        """A version that no other push makes: the one whose only reservation is ours.

        Each push writes its reservation before it looks. Of two for one version the later write sees
        both, so at most one push finds itself alone; who does not, tries a higher one a little later.
        """
        own = uuid.uuid4().hex
        for attempt in range(_MOST_TRIES):
            version = next_version(self._known(), time.time())
            folder = f"{self._home}/{_RESERVED}/{version}"
            _write(f"{folder}/{own}", json.dumps({"at_s": time.time()}).encode())
            if _names(folder) == [own]:
                return version
            time.sleep(random.uniform(0, 0.05 * (attempt + 1)))  # noqa: S311 (so that two do not go on in step)
        raise SluiceError(
            f"the model was not pushed to {self.base}",
            [f"{_MOST_TRIES} versions in a row were taken by other pushes; push again when they are done"],
        )

    def _known(self) -> set[int]:
        logged = (name.partition("-")[0] for name in _names(f"{self._home}/{AUDIT}"))
        recorded = (name.removesuffix(".json") for name in _names(f"{self._home}/{VERSIONS}"))
        names = [*_names(self.base), *_names(f"{self._home}/{_RESERVED}"), *logged, *recorded]
        return {version for name in names if (version := version_number(name)) is not None}

    def _upload(self, source: Source, made: Manifest) -> None:
        """Copies and verifies file by file; TensorFlow Serving refuses the version until the last one."""
        version = f"{self.base}/{made.version}"
        try:
            for name in sorted(made.files, key=lambda name: (name == SAVED_MODEL, name)):
                if name == SAVED_MODEL:
                    _write(self._manifest_path(made.version), made.as_json().encode())
                _copy(source, name, f"{version}/{name}", made.files[name])
        except BaseException:
            self._delete(made.version)
            raise

    def _manifest_path(self, version: int) -> str:
        return f"{self._home}/{VERSIONS}/{version}.json"

    def _tidy(self, made: Manifest, served: int | None, keep: int) -> None:
        """Notes the push and removes what is beyond `keep`; what fails here the next push does."""
        try:
            self._note_push(made)
            self._retain(made.version, served, keep)
        except (OSError, tf.errors.OpError) as error:
            log.warning("version %d was pushed, but not all tidied up behind it: %s", made.version, error)

    def _note_push(self, made: Manifest) -> None:
        self._note(ROLLED_BACK if made.origin.rolled_back_from else PUSHED, made)

    def _note(self, event: str, made: Manifest) -> None:
        path = f"{self._home}/{AUDIT}/{made.version}-{event}.json"
        _write(path, audit_log.line(event, **made.summary()).encode())

    def _retain(self, version: int, served: int | None, keep: int) -> None:
        manifests = {old: made for old, made in self.manifests().items() if made}
        for old in surplus(self.versions().keys() & manifests, keep, served):
            if old < version:
                self._note(REMOVED, manifests[old])
                self._delete(old)

    def _delete(self, version: int) -> None:
        """Removes a version, `saved_model.pb` first: what is left of it cannot be loaded."""
        with contextlib.suppress(tf.errors.NotFoundError):
            tf.io.gfile.remove(f"{self.base}/{version}/{SAVED_MODEL}")
        with contextlib.suppress(tf.errors.NotFoundError):
            tf.io.gfile.rmtree(f"{self.base}/{version}")
        with contextlib.suppress(tf.errors.NotFoundError):
            tf.io.gfile.remove(self._manifest_path(version))

    def _sweep(self) -> None:
        """Makes up for dead pushes: versions never completed go, what was not noted is noted."""
        whole = self.versions()
        noted = {name.partition("-")[0] for name in _names(f"{self._home}/{AUDIT}")}
        for version, made in self.manifests().items():
            if made and version in whole and str(version) not in noted:
                self._note_push(made)
        for name in _names(f"{self._home}/{_RESERVED}"):
            reserved, folder = version_number(name), f"{self._home}/{_RESERVED}/{name}"
            if reserved is None or not _all_dead(folder):
                continue
            if reserved not in whole:
                self._delete(reserved)
            with contextlib.suppress(tf.errors.NotFoundError):
                tf.io.gfile.rmtree(folder)


def _all_dead(folder: str) -> bool:
    try:
        began = [json.loads(_read(f"{folder}/{name}"))["at_s"] for name in _names(folder)]
    except (tf.errors.NotFoundError, ValueError):  # another push sweeps it, or is just writing it
        return False
    return all(time.time() - at_s > _DEAD_AFTER_S for at_s in began)


def _names(folder: str) -> list[str]:
    try:
        return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
    except tf.errors.NotFoundError:
        return []


def _read(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        content: bytes = file.read()
    return content


def _write(path: str, content: bytes) -> None:
    tf.io.gfile.makedirs(path.rpartition("/")[0])  # some file systems want it, object stores do not mind
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def _copy(source: Source, name: str, target: str, expected: Digest) -> None:
    tf.io.gfile.makedirs(target.rpartition("/")[0])
    with source.open(name) as file, tf.io.gfile.GFile(target, "wb") as copy:
        read = digest_of(file, copy.write)
    changed = f"{source.path} changed while it was being copied; run it again"
    refuse_changes({name: expected}, {name: read}, changed)
    with tf.io.gfile.GFile(target, "rb") as copy:
        refuse_changes(
            {name: expected}, {name: digest_of(copy)}, f"the copy in {target} is damaged; push again"
        )


@contextlib.contextmanager
def _in_words(summary: str) -> Iterator[None]:
    """Makes one clear message of what the object store refused."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        said = getattr(error, "message", None) or str(error) or type(error).__name__
        remedy = "look at the address (push.to) and at what this user may do there"
        raise SluiceError(summary, [f"{' '.join(said.split())[:300]}; {remedy}"]) from error

"""The base path of a model that TensorFlow Serving polls: a folder, or a prefix of an object store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from components.pusher.manifest import Manifest, Origin
from components.pusher.source import Source
from pipeline.errors import SluiceError
from pipeline.fingerprint import Digest

HOME = ".sluice"  # what is ours in a base path; no number, so that TensorFlow Serving passes over it
VERSIONS, AUDIT = "versions", "audit"


@dataclass(frozen=True)
class Pushed:
    """What a push came to; `already_served` where the newest version has this content and none was made."""

    version: int
    path: str
    sha256: str
    already_served: bool = False


class Target(Protocol):
    """Where versions are pushed to."""

    base: str

    def versions(self) -> dict[int, str]:
        """The path of each version, the one that TensorFlow Serving serves first."""

    def manifests(self) -> dict[int, Manifest | None]:
        """What is on record of the versions that a push of ours made; None where it cannot be read."""

    def source(self, version: int) -> Source:
        """The files of a version."""

    def digests(self, version: int) -> dict[str, Digest]:
        """What each file of a version holds.

        Raises:
          SluiceError: it cannot be read, and why.
        """

    def push(
        self, source: Source, origin: Origin, keep: int, expected: Mapping[str, Digest] | None = None
    ) -> Pushed:
        """Makes a new version, which appears whole or not at all.

        Args:
          source: of a SavedModel.
          origin: where it comes from.
          keep: how many of the newest versions stay; what was served before stays in any case.
          expected: what the source has to hold, where that is on record.

        Raises:
          SluiceError: nothing was pushed, and why; what was served is left alone.
        """


def content(target: Target, version: int) -> dict[str, Digest] | None:
    """What each file of a version holds; None where it cannot be read, whatever was done to it."""
    try:
        return target.digests(version)
    except SluiceError:
        return None


def target_at(base: str) -> Target:
    """The target of a base path, which is `<push.to>/<name>`."""
    if "://" in base:
        from components.pusher.object_store import ObjectStore

        return ObjectStore(base)
    from components.pusher.local_target import LocalTarget

    return LocalTarget(base)

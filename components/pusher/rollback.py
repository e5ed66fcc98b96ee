"""Going back: an old version is pushed again as the newest.

TensorFlow Serving's default policy serves the highest number. To delete or overwrite a folder under a
running server is not safe, and replicas that poll at different moments would disagree about what to
serve; a number that only goes up brings every one of them to the same version.
"""

from collections.abc import Mapping

from components.pusher.manifest import Digest, Manifest, Origin, of_files
from components.pusher.source import digests_of
from components.pusher.target import Pushed, Target
from pipeline.errors import ConfigError, SluiceError


def roll_back(
    target: Target,
    version: int | None,
    *,
    keep: int,
    reason: str,
    by: str,
    on_record: Mapping[int, str],
) -> tuple[int, Pushed]:
    """Pushes an old version again as the newest.

    Args:
      target: where versions are.
      version: to go back to; None means the newest whose content is not that of the served one.
      keep: how many of the newest versions stay.
      reason: why; it stays on record.
      by: who does it.
      on_record: SHA-256 of versions that have no manifest, from the records of the runs.

    Returns:
      The version gone back to, and what was pushed.

    Raises:
      ConfigError: there is no such version, or nothing to go back to.
      SluiceError: the old version is not what was pushed then, or it cannot be pushed.
    """
    there, manifests = list(target.versions()), target.manifests()
    if not there:
        raise ConfigError(f"no version in {target.base}: there is nothing to go back to")
    served = there[0]
    if version is None:
        version = _newest_other(target, there, manifests)
    elif version not in there:
        raise ConfigError(
            f"no version {version} in {target.base}", [f"expected one of {', '.join(map(str, there))}"]
        )
    elif version == served:
        raise ConfigError(f"version {version} is the one that is served; give an older one")
    old = manifests.get(version)
    expected = old.files if old else _from_run(target, version, on_record.get(version))
    origin = Origin(
        run_id=old.origin.run_id if old else None,
        verdict=old.origin.verdict if old else None,
        forced=old.origin.forced if old else None,
        rolled_back_from={"version": served, "to": version, "reason": reason, "by": by},
    )
    pushed = target.push(target.source(version), origin, keep, expected)
    if pushed.already_served:
        raise ConfigError(f"version {version} has the content of version {pushed.version}, which is served")
    return version, pushed


def _newest_other(target: Target, there: list[int], manifests: Mapping[int, Manifest | None]) -> int:
    served = of_files(digests_of(target.source(there[0])))
    for version in there[1:]:
        old = manifests.get(version)
        if served != (old.sha256 if old else of_files(digests_of(target.source(version)))):
            return version
    raise ConfigError(f"no older version in {target.base} differs from {there[0]}, which is served")


def _from_run(target: Target, version: int, sha256: str | None) -> dict[str, Digest]:
    """The files of a version without a manifest, where a run's record vouches for them."""
    found = digests_of(target.source(version))
    if sha256 is None:
        raise SluiceError(
            f"version {version} cannot be checked: neither a manifest nor a run is on record of it",
            ["give a version that `sluice versions` shows a run for"],
        )
    if of_files(found) != sha256:
        raise SluiceError(
            f"version {version} is damaged: its files are not those of the run that pushed it",
            [f"expected SHA-256 {sha256}, got {of_files(found)}; give another version"],
        )
    return found

"""Going back: an old version is pushed again as the newest.

TensorFlow Serving's default policy serves the highest number. To delete or overwrite a folder under a
running server is not safe, and replicas that poll at different moments would disagree about what to
serve; a number that only goes up brings every one of them to the same version.
"""

from collections.abc import Mapping

from components.pusher.manifest import Manifest, Origin, of_files
from components.pusher.source import refuse_changes
from components.pusher.target import Pushed, Target, content
from pipeline.errors import ConfigError, SluiceError
from pipeline.fingerprint import Digest


def roll_back(
    target: Target,
    version: int | None,
    *,
    keep: int,
    reason: str,
    by: str,
    on_record: Mapping[int, str],
) -> tuple[int, Pushed, list[str]]:
    """Pushes an old version again as the newest.

    Args:
      target: where versions are.
      version: to go back to; None means the newest that is whole and whose content is not that of the
        served one.
      keep: how many of the newest versions stay.
      reason: why; it stays on record.
      by: who does it.
      on_record: SHA-256 of versions that have no manifest, from the records of the runs.

    Returns:
      The version gone back to, what was pushed, and a line for each version passed over, saying why.

    Raises:
      ConfigError: there is no such version, or nothing to go back to.
      SluiceError: the old version is not what was pushed then, or it cannot be pushed.
    """
    there, manifests = list(target.versions()), target.manifests()
    if not there:
        raise ConfigError(f"no version in {target.base}: there is nothing to go back to")
    served, skipped = there[0], list[str]()
    if version is None:
        version, files, skipped = _newest_other(target, there, manifests, on_record)
    else:
        files = _named(target, version, there, manifests, on_record)
    old = manifests.get(version)
    origin = Origin(
        run_id=old.origin.run_id if old else None,
        verdict=old.origin.verdict if old else None,
        forced=old.origin.forced if old else None,
        rolled_back_from={"version": served, "to": version, "reason": reason, "by": by},
    )
    pushed = target.push(target.source(version), origin, keep, files)
    if pushed.already_served:
        raise ConfigError(f"version {version} has the content of version {pushed.version}, which is served")
    return version, pushed, skipped


def _named(
    target: Target,
    version: int,
    there: list[int],
    manifests: Mapping[int, Manifest | None],
    on_record: Mapping[int, str],
) -> dict[str, Digest]:
    """The files of the version that was asked for."""
    if version not in there:
        raise ConfigError(
            f"no version {version} in {target.base}", [f"expected one of {', '.join(map(str, there))}"]
        )
    if version == there[0]:
        raise ConfigError(f"version {version} is the one that is served; give an older one")
    try:
        return _vouched_for(target, version, manifests.get(version), on_record.get(version))
    except SluiceError as error:
        step = "nothing was pushed: give another version, or none for the newest that is whole"
        raise SluiceError(error.summary, [*error.problems, step]) from error


def _newest_other(
    target: Target,
    there: list[int],
    manifests: Mapping[int, Manifest | None],
    on_record: Mapping[int, str],
) -> tuple[int, dict[str, Digest], list[str]]:
    """The newest version that is whole and not what is served, its files, and why not a newer one."""
    made = manifests.get(there[0])
    held = None if made else content(target, there[0])  # damaged or not, it is what we leave
    served = made.sha256 if made else held and of_files(held)
    skipped: list[str] = []
    for version in there[1:]:
        old = manifests.get(version)
        if old and old.sha256 == served:
            continue
        try:
            files = _vouched_for(target, version, old, on_record.get(version))
        except SluiceError as error:
            skipped.append(f"passed over: {'; '.join([error.summary, *error.problems])}")
            continue
        if of_files(files) != served:
            return version, files, skipped
    if skipped:
        raise SluiceError(
            f"no older version in {target.base} can be gone back to; run the pipeline for a new one", skipped
        )
    raise ConfigError(f"no older version in {target.base} differs from {there[0]}, which is served")


def _vouched_for(target: Target, version: int, old: Manifest | None, sha256: str | None) -> dict[str, Digest]:
    """The files of a version, where its manifest or else a run's record says that they are those pushed.

    Raises:
      SluiceError: they are not, or nothing says so, or they cannot be read.
    """
    if old is None and sha256 is None:
        raise SluiceError(
            f"version {version} cannot be checked: neither a manifest nor a run is on record of it"
        )
    found = target.digests(version)
    if old:
        refuse_changes(old.files, found, f"version {version} is damaged")
    elif of_files(found) != sha256:
        raise SluiceError(
            f"version {version} is damaged: its files are not those of the run that pushed it",
            [f"expected SHA-256 {sha256}, got {of_files(found)}"],
        )
    return found

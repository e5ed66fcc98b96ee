"""What pushes that were killed have left behind: the next push sweeps it up.

A push makes, in this order: the copy in staging, the manifest, the version (by a rename), a line of the
audit log. Retention makes: the rename into the trash, a line of the log, the end of the manifest. So

- whatever is in staging or in the trash while the lock is held is left over;
- a manifest without a version is that of a push that never came to its rename (no line in the log), or
  of a version that is gone;
- a version with a manifest and without a line was pushed, and is added to the log now.
"""

import shutil
from typing import TYPE_CHECKING

from components.pusher import durable
from components.pusher.audit_log import ABANDONED, GONE, PUSHED, REMOVED, ROLLED_BACK, SEEN
from components.pusher.target import VERSIONS

if TYPE_CHECKING:
    from components.pusher.local_target import LocalTarget


def sweep(target: "LocalTarget") -> None:
    """Brings a base path in order; call it under the lock."""
    for folder in (target.staging, target.trash):
        for path in folder.iterdir():
            shutil.rmtree(path, ignore_errors=True)
    for path in (target.home / VERSIONS).glob(f"*{durable.PART}"):
        path.unlink()
    there = target.versions()
    happened: dict[int, str] = {event["version"]: event["event"] for event in target.log.events()}
    for version in target.recorded():
        last = happened.get(version)
        if version not in there and last == REMOVED:
            target.discard_manifest(version)
        elif version not in there:
            target.forget(version, GONE if last in SEEN else ABANDONED)
        elif last is None and (found := target.manifests().get(version)):
            event = ROLLED_BACK if found.origin.rolled_back_from else PUSHED
            target.log.add(event, **found.summary())

"""What the checks need to know of this machine. Needs nothing but Python itself."""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from pipeline.doctor.stack import Platform, Version

_ANSWER_S = 15.0
_TRIED_BYTES = 2**20
_COMPILED = ("tensorflow", "tfx", "apache_beam", "keras")  # thousands of files each


def this_platform() -> Platform:
    """System, processor, C library and Python."""
    return Platform(platform.system(), platform.machine(), _glibc(), sys.version_info[:2])


def _glibc() -> Version | None:
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):  # another C library does not know the name
        return None
    found = re.match(r"glibc (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def compiled() -> dict[str, bool]:
    """Whether the large packages have bytecode, of those that are installed."""
    specs = ((name, find_spec(name)) for name in _COMPILED)
    files = [(name, spec.origin) for name, spec in specs if spec is not None and spec.origin is not None]
    return {name: Path(cache_from_source(file)).exists() for name, file in files}


@dataclass(frozen=True)
class Memory:
    """Bytes that a process here may have in all, and can have now; `limit` says what sets the first."""

    total: int
    free: int
    limit: str


def memory(root: Path = Path("/")) -> Memory:
    """The memory of the machine with its swap, or of the smallest control group around this process.

    Args:
      root: of `proc` and `sys`.
    """
    found = [_machine_memory(root), *_group_memory(root)]
    least = min(found, key=lambda one: one.total)
    return Memory(least.total, min(one.free for one in found), least.limit)


def _machine_memory(root: Path) -> Memory:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:  # no Linux
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Memory(total, total, "the machine")
    sizes = {name: int(size.split()[0]) * 1024 for name, _, size in (line.partition(":") for line in lines)}
    total = sizes["MemTotal"] + sizes["SwapTotal"]
    return Memory(total, sizes["MemAvailable"] + sizes["SwapFree"], "the machine")


# By version of the control groups: limit, use, and the part of the use that is cached files.
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache")
_V2 = ("memory.max", "memory.current", "file")


def _group_memory(root: Path) -> Iterator[Memory]:
    """The limits of the control groups that this process is in."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        folder = mount / path.strip("/")
        for one in (folder, *folder.parents):
            with suppress(OSError, ValueError, KeyError):  # "max", and the root has no limit
                yield _limit(one, *(_V1 if controllers else _V2))
            if one == mount:
                break


def _limit(folder: Path, limit: str, use: str, cached: str) -> Memory:
    total = int((folder / limit).read_text())
    lines = (folder / "memory.stat").read_text().splitlines()
    stat = {name: int(value) for name, value in (line.split() for line in lines)}
    free = total - int((folder / use).read_text()) + stat[cached]
    return Memory(total, free, "the container's limit")


@dataclass(frozen=True)
class Folder:
    """What came of trying a folder: bytes that are free, and what went wrong, if anything."""

    path: Path
    free: int
    error: str = ""


def try_folder(folder: Path, *, links: bool) -> Folder:
    """Writes, locks, renames and removes a file where a folder is or would be made.

    Args:
      folder: of which the nearest part that exists is tried.
      links: also make a symbolic link.
    """
    try:
        folder = folder.absolute()
        existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Folder(folder, 0, str(error.strerror))
    try:
        with tempfile.TemporaryDirectory(prefix=".sluice-doctor-", dir=existing) as made:
            _use(Path(made), links=links)
    except OSError as error:
        return Folder(existing, free, str(error.strerror))
    return Folder(existing, free)


def _use(folder: Path, *, links: bool) -> None:
    part, whole = folder / "part", folder / "whole"
    with part.open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as SQLite and a push do
        file.write(bytes(_TRIED_BYTES))
        file.flush()
        os.fsync(file.fileno())
    part.replace(whole)
    if links:
        (folder / "latest").symlink_to(whole.name)


def said(command: Sequence[str]) -> tuple[int, str] | None:
    """Exit status and output of a command; None where there is no such program."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        ended = subprocess.run(  # noqa: S603 (a program that is asked for its version)
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return ended.returncode, f"{ended.stdout}{ended.stderr}".strip()

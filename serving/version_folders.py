"""Which folders of a base path TensorFlow Serving takes for versions."""

import re
from pathlib import Path

LARGEST = 2**63 - 1
_NUMBER = re.compile(r"\s*\+?[0-9]+\s*", re.ASCII)


def version_number(name: str) -> int | None:
    """The version that a child of the base path is: its name parses as a non-negative int64; else None."""
    if not _NUMBER.fullmatch(name):
        return None
    number = int(name)
    return number if number <= LARGEST else None


def version_folders(base: Path) -> dict[int, Path] | None:
    """The versions below a base path; None where it cannot be read, which changes nothing for the server."""
    try:
        children = [path.name for path in base.iterdir()]
    except OSError:
        return None
    numbered = ((version_number(name), name) for name in sorted(children))
    return {number: base / name for number, name in numbered if number is not None}

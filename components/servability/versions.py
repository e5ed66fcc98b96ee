"""Which ops a version of TensorFlow Serving has.

TensorFlow Serving is built with the ops of the TensorFlow of its version, and a few libraries besides; the
lists are those of TensorFlow, written by `python -m serving.loader.ops`.
"""

from importlib import metadata, resources
from pathlib import Path

from pipeline.fingerprint import of_files

_OPS = resources.files(__package__) / "ops"


def known_versions() -> list[str]:
    """Versions whose ops are known, such as `2.16`."""
    return sorted(one.name.removesuffix(".txt") for one in _OPS.iterdir())


def fingerprint() -> str:
    """What a check depends on beside its code: the library that loads, and the lists of ops."""
    lists = sorted(Path(str(one)) for one in _OPS.iterdir())
    return f"{metadata.version('tensorflow')}:{of_files(lists)}"


def ops_of(version: str) -> dict[str, set[str]]:
    """Ops of a version, each with its attributes."""
    lines = (_OPS / f"{version}.txt").read_text(encoding="utf-8").splitlines()
    named = (line.split() for line in lines if not line.startswith("#"))
    return {name: set(attributes) for name, *attributes in named}

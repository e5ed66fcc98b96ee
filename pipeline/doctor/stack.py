"""Which stack a machine can run, and how what is installed differs from its pins."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

Version = tuple[int, int]

MODERN_GLIBC: Version = (2, 39)


@dataclass(frozen=True)
class Stack:
    """A row of the supported stacks."""

    tfx: str
    pythons: tuple[Version, ...]

    @property
    def requirements(self) -> str:
        """The file that pins it."""
        return f"requirements/tfx-{self.tfx}.txt"


CLASSIC = Stack("1.16", ((3, 10),))
MODERN = Stack("1.21", ((3, 11), (3, 12), (3, 13)))


@dataclass(frozen=True)
class Platform:
    """The machine, as far as it decides on the stack; no `glibc` where there is another C library."""

    system: str
    machine: str
    glibc: Version | None
    python: Version

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The stacks that run here, the one that `make` picks first."""
        if self.system == "Darwin":
            return (MODERN,) if self.machine == "arm64" else ()
        if self.system != "Linux" or self.glibc is None:
            return ()
        modern = (MODERN,) if self.glibc >= MODERN_GLIBC else ()
        return {"x86_64": (*modern, CLASSIC), "aarch64": modern}.get(self.machine, ())

    @property
    def stack(self) -> Stack | None:
        """The stack of this Python; None where there is none, or it does not run here."""
        return next((stack for stack in self.stacks if self.python in stack.pythons), None)


@dataclass(frozen=True)
class Difference:
    """A package that is not installed as it is pinned; `installed` is None where it is missing."""

    package: str
    pinned: str
    installed: str | None


def differences(requirements: Path) -> list[Difference]:
    """The packages that are not installed as a requirements file pins them.

    Raises:
      OSError: the file cannot be read.
    """
    found = ((name, pinned, _installed(name)) for name, pinned in _pins(requirements.read_text("utf-8")))
    return [Difference(*one) for one in found if one[1] != one[2]]


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _pins(text: str) -> Iterator[tuple[str, str]]:
    """Package and version of each pin that is meant for this Python and system."""
    for name, version, marker in re.findall(
        r"^([\w.\[\]-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE
    ):
        if not marker or _applies()(marker):
            yield name.partition("[")[0], version


def _applies() -> Callable[[str], bool]:
    """What evaluates markers; it is pinned itself, so that nothing may have it yet."""
    try:
        from packaging.markers import Marker
    except ImportError:
        return lambda _: False
    return lambda marker: Marker(marker).evaluate()

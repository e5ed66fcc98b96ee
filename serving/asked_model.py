"""Which model is asked, and what its server says of it; the same for gRPC and REST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from serving.loader.signatures import Signature

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Asked:
    """A model by name; the newest version where neither a version nor a label is given."""

    name: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}, version {self.version}"
        return f"{self.name}, label {self.label}" if self.label is not None else self.name


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model as its server sees it.

    Attributes:
      version: its number.
      state: START, LOADING, AVAILABLE, UNLOADING or END; only AVAILABLE answers.
      error: why it is not, in the server's words; empty where nothing is wrong.
    """

    version: int
    state: str
    error: str = ""


class Channel(Protocol):
    """One way to a server; each call ends after `timeout_s` and raises a CallError."""

    def predict(
        self, asked: Asked, name: str, signature: Signature, inputs: Mapping[str, Any], timeout_s: float
    ) -> Arrays:
        """The outputs of a signature; text as bytes."""

    def signatures(self, asked: Asked, timeout_s: float) -> dict[str, Signature]:
        """What can be asked of the model."""

    def status(self, asked: Asked, timeout_s: float) -> list[VersionStatus]:
        """The versions that the server knows."""

    def close(self) -> None:
        """Ends the connection."""

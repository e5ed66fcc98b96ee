"""What is on record of a version: its files, the run that made it, and who forced it or went back to it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from pipeline import fingerprint
from pipeline.fingerprint import Digest


@dataclass(frozen=True)
class Origin:
    """Where a version comes from.

    Attributes:
      run_id: of the run that made the model.
      verdict: `blessed`, and how many of the requirements `asked` were `met`.
      forced: `reason` and `by` whom, where the model is worse than the last blessed one.
      rolled_back_from: the `version` served before, the one gone back `to`, `reason` and `by`.
    """

    run_id: str | None = None
    verdict: Mapping[str, Any] | None = None
    forced: Mapping[str, str] | None = None
    rolled_back_from: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Manifest:
    """One version, as it was pushed."""

    version: int
    sha256: str
    files: Mapping[str, Digest]
    pushed_at: str
    origin: Origin

    def summary(self) -> dict[str, Any]:
        """All but the files."""
        return {
            "version": self.version,
            "sha256": self.sha256,
            "pushed_at": self.pushed_at,
            **asdict(self.origin),
        }

    def as_json(self) -> str:
        """The content of `<version>.json`."""
        files = {name: asdict(digest) for name, digest in self.files.items()}
        return json.dumps({**self.summary(), "files": files}, indent=2, ensure_ascii=False) + "\n"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


_Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class _File(_Strict):
    sha256: _Sha256
    size: int


class _Forced(_Strict):
    reason: str
    by: str | None


class _RolledBack(_Strict):
    version: int
    to: int
    reason: str | None
    by: str | None


class _Written(_Strict):
    """What has to be in a `<version>.json`."""

    version: int
    sha256: _Sha256
    files: dict[str, _File]
    pushed_at: str
    run_id: str | None
    verdict: dict[str, Any] | None
    forced: _Forced | None
    rolled_back_from: _RolledBack | None


def parse(content: bytes, version: int) -> Manifest | None:
    """The manifest of a version in a file's content; None where it is damaged, or of another version."""
    try:
        found = _Written.model_validate_json(content)
    except ValidationError:  # also where it is no JSON, or no UTF-8
        return None
    if found.version != version:
        return None
    files = {name: Digest(file.sha256, file.size) for name, file in found.files.items()}
    origin = Origin(**found.model_dump(include={"run_id", "verdict", "forced", "rolled_back_from"}))
    return Manifest(version, found.sha256, files, found.pushed_at, origin)


def of_files(files: Mapping[str, Digest]) -> str:
    """SHA-256 of a folder of these files, see `fingerprint.of_digests`."""
    return fingerprint.of_digests({name: digest.sha256 for name, digest in files.items()})

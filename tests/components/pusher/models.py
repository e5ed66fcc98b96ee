"""Small folders that look like SavedModels, and what they hold by hashlib alone."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from components.pusher.local_target import LocalTarget
from components.pusher.manifest import Origin
from components.pusher.source import LocalFolder
from components.pusher.target import Pushed

FILES = ("saved_model.pb", "variables/variables.index", "assets/words", "assets/nested/saved_model.pb")


def make_model(folder: Path, content: str = "first") -> Path:
    """Writes a model whose every file holds `content` and its own name."""
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}: {content}\n" * 1000)
    return folder


def held(folder: Path | str) -> dict[str, str]:
    """Relative name to SHA-256 of each file of a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def held_as_one(folder: Path | str) -> str:
    """SHA-256 over name, a NUL and digest of each file, in the order of the names' parts."""
    files = held(folder)
    digest = hashlib.sha256()
    for name in sorted(files, key=lambda name: name.split("/")):
        digest.update(name.encode() + b"\0" + bytes.fromhex(files[name]))
    return digest.hexdigest()


def damage(written: bytes, how: str) -> bytes:
    """A manifest with one thing wrong."""
    found = json.loads(written)
    wrong = {
        "bytes": b"\xff" + written,
        "nested": b"[" * 200_000,
        "forced": {**found, "forced": "x"},
        "sha256": {**found, "sha256": 5},
        "digest": {**found, "files": {"saved_model.pb": {"sha256": "no", "size": 1}}},
        "version": {**found, "version": found["version"] + 1},
        "missing": {"version": found["version"]},
    }[how]
    return wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()


def dangling_link(version: Path) -> None:
    (version / "assets" / "link").symlink_to("nowhere")


def undecodable_name(version: Path) -> None:
    Path(os.fsdecode(os.fsencode(version) + b"/assets/\xff")).write_text("odd")


def no_files(version: Path) -> None:
    shutil.rmtree(version)
    version.mkdir()


SPOILERS = (dangling_link, undecodable_name, no_files)
DAMAGES = ("bytes", "nested", "forced", "sha256", "digest", "version", "missing")


def push(base: Path, model: Path, keep: int = 5, **origin: object) -> Pushed:
    return LocalTarget(base).push(LocalFolder(model), Origin(**origin), keep)


def numbers(base: Path) -> list[int]:
    """The versions that TensorFlow Serving sees, oldest first."""
    return sorted(int(path.name) for path in base.iterdir() if path.name.isdecimal())

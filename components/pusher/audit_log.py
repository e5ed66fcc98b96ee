"""What happened to the versions of a model: one line each, only ever added to."""

import json
from pathlib import Path
from typing import Any

from components.pusher import durable
from pipeline.record import now
from serving.version_folders import LARGEST

PUSHED, ROLLED_BACK, REMOVED, GONE, ABANDONED = "pushed", "rolled-back", "removed", "gone", "abandoned"
SEEN = (PUSHED, ROLLED_BACK, REMOVED, GONE)  # of a version that TensorFlow Serving could see


class AuditLog:
    """A file of JSON lines: `at`, `event`, `version` and what belongs to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, event: str, version: int, **details: Any) -> None:
        """Adds an event, durably."""
        durable.append(self._path, line(event, version, **details))

    def events(self) -> list[dict[str, Any]]:
        """Everything that happened, in order; a line that is none, such as one cut off, is left out."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        return [event for text in lines if (event := parse(text)) is not None]


def line(event: str, version: int, **details: Any) -> str:
    """An event as JSON."""
    return json.dumps({"at": now(), "event": event, **details, "version": version}, ensure_ascii=False)


def parse(text: str) -> dict[str, Any] | None:
    """An event; None where the text is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("event"), str):
        return None
    version = found.get("version")
    return found if type(version) is int and 0 <= version <= LARGEST else None  # True is an int too

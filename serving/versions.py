"""Follows the versions of a model as TensorFlow Serving does: newest first in, then the old one out.

The rules are those of its FileSystemStoragePathSource and AvailabilityPreservingPolicy: the base path is
looked at every second; the newest version is served, and those that have a label; a new one is loaded
beside the old one, which goes only when another can be asked; a version that fails to load is tried six
times, once a minute, and nothing else is loaded meanwhile.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.held import Held
from serving.loader.errors import INTERNAL, INVALID, NOT_FOUND, ServingError
from serving.version_folders import version_folders

_LOG = logging.getLogger(__name__)
START, LOADING, AVAILABLE, UNLOADING, END = "START", "LOADING", "AVAILABLE", "UNLOADING", "END"


@dataclass(frozen=True)
class State:
    """Where a version stands.

    Attributes:
      name: of a ModelVersionStatus.
      code: of the error that ended it; 0 for none.
      message: of that error.
    """

    name: str
    code: int = 0
    message: str = ""


@dataclass(frozen=True)
class Pace:
    """How often it looks and tries.

    Attributes:
      poll_s: seconds between two looks at the base path.
      retries: of a version that fails to load.
      retry_s: seconds between them.
    """

    poll_s: float = 1.0
    retries: int = 5
    retry_s: float = 60.0


class Versions:
    """The versions of one model.

    Args:
      name: of the model.
      base: the base path; it may come later.
      load: loads a version from its folder and warms it up.
      labels: label to version.
      pace: how often it looks and tries.
      on_state: told of each change, from the thread that makes it.
    """

    def __init__(
        self,
        name: str,
        base: Path,
        load: Callable[[int, Path], Held],
        labels: Mapping[str, int] | None = None,
        pace: Pace = Pace(),
        on_state: Callable[[int, State], None] | None = None,
    ) -> None:
        self.name, self._base, self._load = name, base, load
        self._labels, self._pace, self._on_state = dict(labels or {}), pace, on_state
        self._serving: dict[int, Held] = {}
        self._states: dict[int, State] = {}
        self._failed: set[int] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._leaving: list[threading.Thread] = []
        self._manager = threading.Thread(target=self._manage, name="versions", daemon=True)

    def start(self) -> None:
        """Begins to follow the base path."""
        self._manager.start()

    def stop(self, grace_s: float) -> None:
        """Lets every version go, each when nobody asks it any more.

        Args:
          grace_s: seconds to wait for a version that is just being loaded, and for those who still ask.
        """
        end = time.monotonic() + grace_s
        self._stopped.set()
        if self._manager.ident is not None:
            self._manager.join(grace_s)
        for version in list(self._serving):
            self._unload(version)
        for thread in self._leaving:
            thread.join(max(0.0, end - time.monotonic()))

    def states(self) -> dict[int, State]:
        """Every version seen, newest first."""
        with self._lock:
            return dict(sorted(self._states.items(), reverse=True))

    def labelled(self, label: str) -> int | None:
        """The version of a label, while it is served; else None."""
        with self._lock:
            version = self._labels.get(label)
            return version if version in self._serving else None

    @contextmanager
    def use(self, version: int | None = None, label: str | None = None) -> Iterator[Held]:
        """A version to ask, which is not unloaded meanwhile.

        Args:
          version: its number; None is the newest.
          label: instead of a number.

        Raises:
          ServingError: there is none such; in TensorFlow Serving's words.
        """
        with self._lock:
            held = self._find(version, label)
            held.__enter__()
        try:
            yield held
        finally:
            held.__exit__()

    def _find(self, version: int | None, label: str | None) -> Held:
        if label is not None:
            number = self._labels.get(label)
        else:
            number = max(self._serving, default=None) if version is None else version
        if number is None or number not in self._serving:
            raise absent(self.name, version, label)
        return self._serving[number]

    def _manage(self) -> None:
        while not self._stopped.is_set():
            self._look()
            self._stopped.wait(self._pace.poll_s)

    def _look(self) -> None:
        """Looks at the base path once and does what follows."""
        folders = version_folders(self._base)
        if folders is None:
            return
        wanted = {max(folders)} | (set(self._labels.values()) & set(folders)) if folders else set()
        self._failed &= wanted
        leaving = {version for version, state in self.states().items() if state.name == UNLOADING}
        for version in sorted(wanted - set(self._serving) - self._failed - leaving, reverse=True):
            self._bring(version, folders[version])
        if not wanted or wanted & set(self._serving):
            for version in set(self._serving) - wanted:
                self._unload(version)

    def _bring(self, version: int, folder: Path) -> None:
        """Loads a version, as often as it is tried, and serves it."""
        self._set(version, State(START))
        self._set(version, State(LOADING))
        for attempt in range(self._pace.retries + 1):
            if attempt and self._stopped.wait(self._pace.retry_s):
                return
            try:
                held = self._load(version, folder)
            except ServingError as error:
                failed = State(END, error.code, str(error))
            except Exception as error:  # noqa: BLE001 (whatever it is, the others are still served)
                failed = State(END, INTERNAL, f"{type(error).__name__}: {error}")
            else:
                with self._lock:
                    self._serving[version] = held
                self._set(version, State(AVAILABLE))
                return
            self._set(version, State(LOADING, failed.code, failed.message))
        self._failed.add(version)
        self._set(version, failed)

    def _unload(self, version: int) -> None:
        with self._lock:
            held = self._serving.pop(version)
        self._set(version, State(UNLOADING))

        def leave() -> None:
            held.retire()
            self._set(version, State(END))

        self._leaving = [one for one in self._leaving if one.is_alive()]
        thread = threading.Thread(target=leave, name=f"unload {version}", daemon=True)
        self._leaving.append(thread)
        thread.start()

    def _set(self, version: int, state: State) -> None:
        with self._lock:
            self._states[version] = state
        if self._on_state:
            try:
                self._on_state(version, state)
            except Exception:  # noqa: BLE001 (who listens must not keep versions from switching)
                _LOG.exception("a change of version %d could not be told", version)


def absent(name: str, version: int | None, label: str | None) -> ServingError:
    """The error of a request to a version that is not served, in TensorFlow Serving's words."""
    if label is not None:
        return ServingError(INVALID, f"Unrecognized servable version label: {label}")
    asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return ServingError(NOT_FOUND, f"Servable not found for request: {asked}")

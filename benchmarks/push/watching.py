"""Watches a base path as TensorFlow Serving does, only faster, and never believes a version complete."""

import hashlib
import json
import multiprocessing
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NUMBER = "assets.extra/number"  # differs from push to push, so that none has the content of another
_RECHECKED = 10  # of the newest versions, one at each poll, however often they were found complete


def held(folder: Path) -> dict[str, str]:
    """Relative name to SHA-256 of each file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


_NUMBER_LINE = r"push \d{6}\n"


def number_line(number: int) -> str:
    """The content of the file that differs from push to push."""
    return f"push {number:06d}\n"


def faults(version: Path, expected: Mapping[str, str]) -> list[str]:
    """The files of a version that are not as they should be; none where there is no such version."""
    try:
        found = held(version)
        line = (version / NUMBER).read_text() if NUMBER in found else ""
    except FileNotFoundError:
        found, line = {}, ""
    if re.fullmatch(_NUMBER_LINE, line):
        found[NUMBER] = expected[NUMBER]
    wrong = [name for name in sorted({*expected, *found}) if expected.get(name) != found.get(name)]
    return wrong if version.is_dir() else []


def refusal(version: Path) -> list[str]:
    """What TensorFlow's C++ loader says against a version, or its answer to a request."""
    import numpy as np

    from serving.loader.errors import ServingError
    from serving.loader.model import Model

    try:
        model = Model(version)
        try:
            words = np.array([[b"word1", b"word2", b"unknown"]], object)
            answer = model.run("serving_default", {"words": words})["probability"]
        finally:
            model.close()
        said = [] if 0 <= float(answer[0, 0]) <= 1 else [f"the answer is {answer}"]
    except ServingError as error:
        said = [str(error)]
    return said if version.is_dir() else []


def versions(base: Path) -> list[Path]:
    """The folders that TensorFlow Serving takes for versions, newest first."""
    found = [path for path in base.iterdir() if path.name.isdecimal()] if base.is_dir() else []
    return sorted(found, key=lambda path: int(path.name), reverse=True)


class Watcher:
    """A process that polls as fast as it can until it is told to stop."""

    def __init__(self, base: Path, check: Callable[[Path], list[str]], once: bool = False) -> None:
        """Starts it.

        Args:
          base: to poll.
          check: what is wrong with a version.
          once: leave a version alone that was found right; else the newest are looked at again and again.
        """
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._told, tell = context.Pipe(duplex=False)
        self._process = context.Process(target=_watch, args=(base, check, once, self._stop, tell))
        self._process.start()

    def stop(self) -> dict[str, Any]:
        """`polls`, `seen` versions, and what was `wrong` with which of them at first sight."""
        self._stop.set()
        found: dict[str, Any] = json.loads(self._told.recv())
        self._process.join()
        return found


def _watch(base: Path, check: Callable[[Path], list[str]], once: bool, stop: Any, tell: Any) -> None:
    polls, last = 0, False
    right: set[str] = set()
    wrong: dict[str, list[str]] = {}
    while not last:
        last = stop.is_set()  # and one look more, at what came last
        there = versions(base)
        for place, version in enumerate(there):
            again = place == polls % _RECHECKED and not once
            if version.name in right and not again:
                continue
            if found := check(version):
                wrong.setdefault(version.name, found)
            elif version.is_dir():
                right.add(version.name)
        polls += 1
        if once:
            time.sleep(0.001)
    tell.send(json.dumps({"polls": polls, "seen": len(right | set(wrong)), "wrong": wrong}))

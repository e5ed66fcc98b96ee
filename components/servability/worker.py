"""Runs in a process of its own: loads an export and asks it, with nothing of the project but the loader.

    python -I -S worker.py PATHS...

Takes the folder and the requests as pickles on its input, and gives an answer to each on its output.
"""

import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO


def main(folders: list[str]) -> None:
    """Loads and answers; `folders` are where packages are found."""
    sys.path[:0] = folders
    given, taken = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand between the answers
    from serving.loader.errors import ServingError
    from serving.loader.model import Model

    def told(work: Any) -> Any:
        began = time.perf_counter()
        try:
            found = work()
        except ServingError as error:
            _give(taken, {"code": error.code, "error": str(error), "seconds": time.perf_counter() - began})
            return None
        return found, time.perf_counter() - began

    loaded = told(lambda: Model(_taken(given)))
    if loaded is None:
        return
    model, seconds = loaded
    _give(taken, {"outputs": {}, "seconds": seconds})
    for signature, inputs in _taken(given):
        if (answered := told(lambda asked=signature, sent=inputs: model.run(asked, sent))) is not None:
            _give(taken, {"outputs": answered[0], "seconds": answered[1]})
    _give(taken, _peak_bytes())


def _taken(file: BinaryIO) -> Any:
    return pickle.load(file)  # noqa: S301 (from the process that started this one)


def _give(file: BinaryIO, answer: Any) -> None:
    pickle.dump(answer, file)
    file.flush()


def _peak_bytes() -> int:
    """The most memory this process has held."""
    try:
        # Not `ru_maxrss`, which on Linux begins with what the process held that started this one.
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(peak) * 1024
    except (OSError, ValueError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(sys.argv[1:])

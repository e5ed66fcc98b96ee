"""What is tried in a process of its own: a library that crashes or hangs there is a finding here.

Run as a script, this file is that process.
"""

import faulthandler
import importlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

_GRACE_S = 10.0  # for the process to say where it hangs
_FILE = re.compile(r'^  File "([^<].*)", line (\d+) in', re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What a process reported; `died` says how it ended where it did not."""

    report: dict[str, Any] = field(default_factory=dict)
    died: str = ""


def ask(module: str, given: object, limit_s: float) -> Answer:
    """Calls `main` of a module in a process with the paths and environment of this one.

    Args:
      module: its `main` takes what is given and returns a dictionary; both go as JSON.
      given: to `main`.
      limit_s: after which the process is ended.
    """
    command = [sys.executable, __file__, json.dumps([sys.path, module, given, limit_s])]
    try:
        ended = subprocess.run(  # noqa: S603 (this Python, with this file)
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s + _GRACE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(died=f"had not ended after {limit_s:.0f} s")
    log = ended.stderr.decode(errors="replace")
    if ended.returncode == 0 and ended.stdout:
        return Answer(json.loads(ended.stdout))
    return Answer(died=_how(ended.returncode, log, limit_s))


def _how(code: int, log: str, limit_s: float) -> str:
    """How a process died, and in which file it was."""
    here = _FILE.search(log.rpartition("most recent call first")[2])
    where = f", in {_shown(here[1])}, line {here[2]}" if here else ""
    if "Timeout (" in log:
        return f"had not ended after {limit_s:.0f} s{where}"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}{where}"
    last = (log.strip().splitlines() or ["and said nothing"])[-1]
    return f"ended with status {code}: {last}"


def _shown(path: str) -> str:
    """A file of a package as that package names it."""
    return path.rpartition("-packages/")[2]


def _main() -> None:
    sys.path[:], module, given, limit_s = json.loads(sys.argv[1])
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as report:
        os.dup2(2, 1)  # what the libraries print is none of the report
        faulthandler.enable(all_threads=False)
        faulthandler.dump_traceback_later(limit_s, exit=True)
        json.dump(importlib.import_module(module).main(given), report)
    os._exit(0)  # TensorFlow takes its time to end, and all is said


if __name__ == "__main__":
    _main()

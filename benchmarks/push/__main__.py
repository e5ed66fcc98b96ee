"""Versions that a server can see while pushes are killed: this project's Pusher and TFX's own.

    .venv/bin/python -m benchmarks.push [--pushes N]

A real SavedModel is pushed N times by each side; see `series.run` for when a push is killed and tried
again. One watcher polls the base path as fast as it can and compares every file of each numeric folder
with the SHA-256 it should have; another loads each version with TensorFlow's C++ loader and asks it. The
tables are kept in RESULTS.md.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.push import killing, series
from benchmarks.push.watching import refusal
from benchmarks.results import keep, machine, measure

_SIDES = {"Sluice": killing.ours, "stock TFX": killing.stock}
_ROWS = {
    "pushes": "pushes",
    "killed": "of these killed, and tried again",
    "operations": "file operations of a push, before each of which one was killed",
    "every_operation": "these are all it has",
    "polls": "polls by the watcher",
    "seen": "versions it saw",
    "seen_incomplete": "versions it saw incomplete",
    "loaded": "versions the C++ loader was given",
    "refused_by_loader": "of these refused, or without an answer",
    "left_incomplete": "versions incomplete at the end",
    "said_pushed_though_incomplete": "pushes that reported success over an incomplete version",
    "newest_complete": "the newest version is complete at the end",
}


def run_one(side: str, home: Path, pushes: int) -> dict[str, object]:
    """The series of one side, in this process."""
    # Before the forks, each of which would import it.
    importlib.import_module("components.pusher.local_target" if side == "Sluice" else "tfx.v1")
    began = time.monotonic()

    def on_push(number: int) -> None:
        if number % 50 == 0:
            print(f"{side}: {number} pushes, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    return series.run(_SIDES[side], home, pushes, refusal, on_push).as_json()


def report(found: dict[str, dict[str, float]]) -> str:
    """What each side came to, side by side."""
    lines = [f"| | {' | '.join(found)} |", f"|---|{'---:|' * len(found)}"]
    for key, words in _ROWS.items():
        values = [one[key] for one in found.values()]
        shown = [("yes" if one else "no") if isinstance(one, bool) else f"{one:,}" for one in values]
        lines.append(f"| {words} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark, prints its table and keeps it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pushes", type=int, default=300)
    parser.add_argument("--one", nargs=2, metavar=("SIDE", "HOME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(arguments.one[0], Path(arguments.one[1]), arguments.pushes)))
        return
    began, found = time.monotonic(), {}
    for side in _SIDES:
        with tempfile.TemporaryDirectory() as home:
            model = Path(home, "model", "Format-Serving")
            model.parent.mkdir()
            made = [sys.executable, "-W", "ignore", "-m", "benchmarks.push.exported", str(model)]
            subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
            found[side] = measure("benchmarks.push", side, home, "--pushes", str(arguments.pushes))
        print(f"{side}: {found[side]}", flush=True)
    text = report(found)
    print(f"\n{text}")
    minutes = (time.monotonic() - began) / 60
    keep("push", f"`python -m benchmarks.push`: {machine()}; {minutes:.0f} min\n\n{text}")


if __name__ == "__main__":
    main()

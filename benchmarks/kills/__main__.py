"""Runs that are killed at random moments, each followed by one that goes on, beside an undisturbed run.

    .venv/bin/python -m benchmarks.kills [--kills N] [--seed N]

The demo is run once to its end. Then, each time in a new `run.root`, it is run and killed (SIGKILL, to the
process and all that it started) at a moment drawn uniformly from the time the undisturbed run took, and run
again to its end. What comes of that is compared with the undisturbed run, see `outcome.of_run`, and what is
left behind is looked through, see `outcome.faults`. The tables are kept in RESULTS.md.
"""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kills import outcome, running
from benchmarks.results import keep, machine
from pipeline import demo_data, record
from pipeline.config import Config
from pipeline.config_file import load

_NOTHING_AMISS = "nothing amiss in what is left"


@dataclass
class Round:
    """A run that was killed, and the one after it."""

    moment_s: float
    killed_in: str = ""
    taken_over: int = 0
    seconds: float = 0.0
    equal: dict[str, bool] = field(default_factory=dict)


def undisturbed(data: Path, home: Path) -> tuple[dict[str, Any], float]:
    """What a run comes to that nobody kills, and the seconds it takes."""
    config, seconds = _to_the_end(data, home)
    if amiss := list(outcome.faults(config)):
        raise SystemExit(f"the undisturbed run left something amiss: {amiss}")
    return outcome.of_run(config), seconds


def one_round(data: Path, home: Path, moment_s: float, expected: dict[str, Any]) -> Round | None:
    """Kills a run and goes on; None where it had ended before the moment came."""
    overrides = running.settings(data, home)
    if not running.run_until(overrides, lambda seconds: seconds >= moment_s):
        return None
    found = Round(moment_s)
    config, found.seconds = _to_the_end(data, home)
    last, *killed = record.runs(Path(config.run.root, config.name))
    found.killed_in = _place(killed)
    run = record.read(last, record.RUN) or {"stages": []}
    found.taken_over = sum(stage["cached"] for stage in run["stages"])
    reached, amiss = outcome.of_run(config), list(outcome.faults(config))
    found.equal = {what: reached[what] == wanted for what, wanted in expected.items()}
    found.equal[_NOTHING_AMISS] = not amiss
    for what in [*amiss, *(what for what, equal in found.equal.items() if not equal)]:
        print(f"killed after {moment_s:.1f} s in {found.killed_in}: {what}", file=sys.stderr)
    return found


def _to_the_end(data: Path, home: Path) -> tuple[Config, float]:
    overrides = running.settings(data, home)
    status, seconds = running.run(overrides)
    if status:
        log = next(iter(sorted(home.glob("runs/*/latest/run.log"))), None)
        raise SystemExit(f"a run ended with {status}:\n{log.read_text()[-3000:] if log else 'no log'}")
    return load(running.CONFIG, overrides), seconds


def _place(killed: list[Path]) -> str:
    """The stage that was at work when a run was killed, or the last one that was."""
    if not killed:
        return "before there was a folder"
    run = record.read(killed[0], record.RUN) or {"status": None, "stages": []}
    if outcome.had_ended(run):
        return "its report"
    return run["stages"][-1]["name"] if run["stages"] else "before the first stage"


def report(rounds: list[Round], undisturbed_s: float) -> str:
    """What was equal how often, and where the runs were killed."""
    lines = ["| | of the runs that went on |", "|---|---:|"]
    for what in rounds[0].equal:
        says = what if what == _NOTHING_AMISS else f"{what}: equal"
        lines.append(f"| {says} | {sum(one.equal[what] for one in rounds)} of {len(rounds)} |")
    lines += [
        "",
        "| killed in | times | stages taken over | seconds of the run that went on |",
        "|---|---:|---|---|",
    ]
    for place in dict.fromkeys(one.killed_in for one in sorted(rounds, key=lambda one: one.taken_over)):
        there = [one for one in rounds if one.killed_in == place]
        taken, seconds = sorted({one.taken_over for one in there}), [one.seconds for one in there]
        shown = f"{min(seconds):.0f} to {max(seconds):.0f}" if len(there) > 1 else f"{seconds[0]:.0f}"
        lines.append(f"| {place} | {len(there)} | {', '.join(map(str, taken))} | {shown} |")
    return "\n".join([*lines, "", f"The undisturbed run took {undisturbed_s:.0f} s."])


def main() -> None:
    """Runs the benchmark, prints its tables and keeps them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began, draw = time.monotonic(), random.Random(arguments.seed)  # noqa: S311 (no secret)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "demo.csv")
        demo_data.make(data)
        expected, whole_s = undisturbed(data, Path(folder, "undisturbed"))
        while len(rounds) < arguments.kills:
            with tempfile.TemporaryDirectory() as home:
                found = one_round(data, Path(home), draw.uniform(0, whole_s), expected)
            if found:
                rounds.append(found)
                print(found, flush=True)
    text = report(rounds, whole_s)
    print(f"\n{text}")
    minutes = (time.monotonic() - began) / 60
    keep("kills", f"`python -m benchmarks.kills`: {machine()}; {minutes:.0f} min\n\n{text}")


if __name__ == "__main__":
    main()

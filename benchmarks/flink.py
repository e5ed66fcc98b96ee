"""Ingest, statistics and audit of millions of rows on a Flink cluster, also while parts of it are killed.

    .venv/bin/python -m benchmarks.flink [--rows N]

`sluice check` runs three times on the same CSV files: in memory; on a cluster of one job manager and two
task managers on this machine (`make flink`); and there again with one task manager killed in the middle
of each stage's job, half its undisturbed time after it began, and another one started in its place. The
three must come to the same Examples byte for byte, the same statistics and the same findings. The table
is kept in RESULTS.md.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ingest import make_csv
from benchmarks.results import keep, machine
from pipeline.runners import flink

_FILES = 8
_STAGES = ("Ingest", "StatisticsGen", "Auditor")
_CONFIG = """
name: rows
task: multiclass
data: {source: rows/*.csv, sequence_id: id, time: time, label: label}
split: {by: sequence}
"""
_SIDES = ("in memory", "Flink", "Flink, task managers killed")


@dataclass(frozen=True)
class Outcome:
    """What a run came to: seconds of each stage, and what its results are compared by."""

    seconds: dict[str, float]
    examples: dict[str, str]
    statistics: dict[str, Any]
    findings: dict[str, Any]


def check(
    home: Path,
    beam_args: Sequence[str],
    meanwhile: Callable[["subprocess.Popen[str]"], None] = lambda _: None,
) -> Outcome:
    """Runs `sluice check` in a process of its own; `meanwhile` is given that process."""
    (home / "rows.yaml").write_text(_CONFIG)
    command = [sys.executable, "-W", "ignore", "-m", "pipeline", "check", str(home / "rows.yaml")]
    arguments = [f"--set=run.root={home / 'runs'}", *(["--", *beam_args] if beam_args else [])]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        meanwhile(running)
        said, _ = running.communicate()
    if running.returncode:
        raise SystemExit(f"the check failed:\n{said[-4000:]}")
    return _outcome(home / "runs" / "rows")


def _outcome(run: Path) -> Outcome:
    stages = json.loads((run / "latest" / "run.json").read_text())["stages"]
    (examples,) = (run / "artifacts" / "Ingest" / "examples").iterdir()
    (statistics,) = (run / "artifacts" / "StatisticsGen" / "statistics").iterdir()
    return Outcome(
        {stage["name"]: stage["seconds"] for stage in stages},
        {
            str(path.relative_to(examples)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(examples.rglob("*.gz"))
        },
        {path.parent.name: _statistics(path) for path in sorted(statistics.rglob("FeatureStats.pb"))},
        json.loads((run / "latest" / "validation.json").read_text()),
    )


def _statistics(path: Path) -> Any:
    import tensorflow_data_validation as tfdv
    from google.protobuf import json_format

    return json_format.MessageToDict(tfdv.load_stats_binary(str(path)))


class Killing:
    """Kills a task manager in the middle of every new job, and starts another.

    Args:
      cluster: where the jobs run.
      seconds: how long each of the jobs takes undisturbed.
    """

    def __init__(self, cluster: flink.Cluster, seconds: Sequence[float]) -> None:
        self._cluster, self._seconds = cluster, seconds
        self.hit: list[str] = []  # jobs

    def __call__(self, running: "subprocess.Popen[str]") -> None:
        """Follows a run until it ends."""
        known = set(jobs(self._cluster))
        while running.poll() is None:
            for job, (tasks, _) in jobs(self._cluster).items():
                if job not in known and tasks:
                    known.add(job)
                    self._hit(job)
            time.sleep(0.1)

    def _hit(self, job: str) -> None:
        number = len(self.hit)
        time.sleep(self._seconds[number] / 2)
        self._cluster.task_managers[number].kill()
        self._cluster.start_task_manager()
        self.hit.append(job)

    def restarted(self) -> int:
        """How many of the jobs lost tasks and went on."""
        histories = [self._cluster.ask(f"jobs/{job}/exceptions")["exceptionHistory"] for job in self.hit]
        return sum(bool(history["entries"]) for history in histories)


def jobs(cluster: flink.Cluster) -> dict[str, tuple[int, float]]:
    """Of every job, oldest first: how many tasks run, and its seconds."""
    found = sorted(cluster.ask("jobs/overview")["jobs"], key=lambda job: job["start-time"])
    return {job["jid"]: (job["tasks"]["running"], job["duration"] / 1000) for job in found}


def compare(rows: int) -> tuple[list[Outcome], int]:
    """The outcomes of all three sides, and how many jobs went on after a kill."""
    with tempfile.TemporaryDirectory() as folder:
        homes = [Path(folder, side) for side in ("memory", "flink", "killed")]
        source = Path(folder, "rows")
        source.mkdir()
        for number in range(_FILES):
            make_csv(source / f"part{number}.csv", rows // _FILES, before=number * (rows // _FILES))
        for home in homes:
            home.mkdir()
            (home / "rows").symlink_to(source)
        found = [check(homes[0], ())]
        print(f"in memory: {sum(found[0].seconds.values()):.1f} s", flush=True)
        with flink.cluster(Path(folder, "logs")) as cluster:
            found.append(check(homes[1], cluster.beam_args))
            print(f"Flink: {sum(found[1].seconds.values()):.1f} s", flush=True)
            killing = Killing(cluster, [seconds for _, seconds in jobs(cluster).values()])
            found.append(check(homes[2], cluster.beam_args, killing))
            print(f"Flink, killed: {sum(found[2].seconds.values()):.1f} s", flush=True)
            return found, killing.restarted()


def report(rows: int, found: list[Outcome], restarted: int) -> str:
    """The seconds of every stage, and what is the same."""
    lines = [f"| {rows:,} rows | {' | '.join(_SIDES)} |", f"|---|{'---:|' * len(_SIDES)}"]
    seconds = {stage: [one.seconds[stage] for one in found] for stage in _STAGES}
    seconds["all stages"] = [sum(one.seconds.values()) for one in found]
    lines += [f"| {name} | {' | '.join(f'{one:.1f} s' for one in each)} |" for name, each in seconds.items()]
    for what in ("examples", "statistics", "findings"):
        of_all = [getattr(one, what) for one in found]
        same = ["" if one is of_all[0] else "the same" if one == of_all[0] else "DIFFERENT" for one in of_all]
        lines.append(f"| {what} | {' | '.join(same)} |")
    lines += ["", f"{restarted} of {len(_STAGES)} jobs lost tasks in the third run, and went on."]
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark, prints its table and keeps it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    rows = parser.parse_args().rows
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    text = report(rows, *compare(rows))
    print(f"\n{text}")
    keep("flink", f"`python -m benchmarks.flink`: {machine()}\n\n{text}")


if __name__ == "__main__":
    main()

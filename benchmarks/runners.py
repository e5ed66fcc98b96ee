"""One configuration in many places: is what comes out the same, and how long does it take?

    .venv/bin/python -m benchmarks.runners [NAME …] [--data FOLDER] [--only PLACE …]

`japanese_vowels`, whole sequences in a given split, and `occupancy`, windows of one series split by time, run
in each place from their files to the verdict. The Examples must be those of the local runner byte for byte,
the findings and the verdict the same, and the metrics equal to 1e-6 where the model is the same; the exit
status is 1 where something differs. Flink needs `make flink` and Java. The table of a full run is kept in
RESULTS.md.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import keep, machine

_CHECKOUT = Path(__file__).resolve().parents[1]
_CONFIGS = _CHECKOUT / "pipeline" / "configs"
_DATA = _CHECKOUT.parent / "shared" / "data"
_SOURCES: dict[str, Callable[[Path], list[str]]] = {
    "japanese_vowels": lambda data: [
        f"data.source.train={data}/japanese_vowels/JapaneseVowels_TRAIN.ts",
        f"data.source.eval={data}/japanese_vowels/JapaneseVowels_TEST.ts",
    ],
    "occupancy": lambda data: [f"data.source={data}/occupancy/data*.txt"],
}
_ENDS = (0, 4)  # pushed, or a verdict against it
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
      seconds: with the imports, and without what was started for it.
      examples: file of a split to its SHA-256.
      findings: of the auditor, without anything of the run.
      decisions: of the verdict, the gate, metric and slice of each, and whether it passed.
      model: SHA-256 of the exported weights.
      metrics: of every slice of both splits.
    """

    seconds: float
    examples: Mapping[str, str]
    findings: Any
    decisions: Any
    model: str
    metrics: Mapping[str, float]


def outcome(seconds: float, artifact: Callable[[str, str], Path]) -> Outcome:
    """Reads a run's artifacts.

    Args:
      seconds: that it took.
      artifact: where the output of a stage is.
    """
    examples, verdict = artifact("Ingest", "examples"), artifact("Verdict", "blessing")
    shards = sorted(examples.glob("Split-*/*.gz"))
    evaluation = json.loads((verdict / "evaluation.json").read_text())
    (weights,) = artifact("Trainer", "model").glob("Format-Serving/variables/*.data-*")
    return Outcome(
        seconds,
        {str(shard.relative_to(examples)): _sha256(shard) for shard in shards},
        json.loads((artifact("Auditor", "findings") / "findings.json").read_text()),
        [
            [one[key] for key in ("gate", "metric", "slice", "passed")]
            for one in json.loads((verdict / "verdict.json").read_text())["decisions"]
        ],
        _sha256(weights),
        {
            f"{split} {one['slice']} {name}": metric["value"]
            for split in ("slices", "train")
            for one in evaluation[split]
            for name, metric in one["metrics"].items()
            if metric["value"] is not None
        },
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def by_command_line(*arguments: str) -> Callable[[str, list[str], Path], Outcome]:
    """Runs by `sluice run` with these arguments."""

    def run(name: str, settings: list[str], home: Path) -> Outcome:
        seconds = _sluice("run", name, settings, home, *arguments)
        artifacts = home / "runs" / name / "artifacts"
        return outcome(seconds, lambda stage, key: max((artifacts / stage / key).iterdir(), key=_number))

    return run


def _number(folder: Path) -> int:
    return int(folder.name)


def _sluice(command: str, name: str, settings: list[str], home: Path, *arguments: str) -> float:
    """Calls the command line; gives the seconds that it took."""
    own = [*settings, f"run.root={home}/runs", f"push.to={home}/models"]
    words = [f"--set={setting}" for setting in own]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", command, str(_CONFIGS / f"{name}.yaml"), *words, *arguments],
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in _ENDS:
        raise SystemExit(f"{command} {name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.monotonic() - began


def on_kubeflow(name: str, settings: list[str], home: Path) -> Outcome:
    """Compiles for Kubeflow and runs each container as a process, as the tests do."""
    from tests.kubeflow.cluster import Cluster
    from tests.kubeflow.specification import read

    home.mkdir(parents=True)
    file = home / "pipeline.yaml"
    _sluice("compile", name, settings, home, "-o", str(file))
    began = time.monotonic()
    run = Cluster(home / "root").run(read(file))
    if any(step != "ModelGate" for step in run.failed):
        raise SystemExit("\n".join(f"{step} failed:\n{run.ended[step].log[-2000:]}" for step in run.failed))
    return outcome(time.monotonic() - began, run.artifact)


@contextmanager
def _portable() -> Iterator[list[str]]:
    from pipeline.runners.portable import job_service

    with tempfile.TemporaryDirectory(prefix="portable-") as logs, job_service(Path(logs)) as beam_args:
        yield beam_args


@contextmanager
def _flink() -> Iterator[list[str]]:
    from pipeline.runners.flink import cluster

    with tempfile.TemporaryDirectory(prefix="flink-logs-") as logs, cluster(Path(logs)) as made:
        yield made.beam_args


_LOCAL = "local"
# What is started before, and how a configuration then runs, given its Beam arguments.
_PLACES: dict[
    str, tuple[Callable[[], Any], Callable[[list[str]], Callable[[str, list[str], Path], Outcome]]]
] = {
    _LOCAL: (lambda: nullcontext([]), lambda _: by_command_line()),
    "beam": (lambda: nullcontext([]), lambda _: by_command_line("--runner", "beam")),
    "two workers": (lambda: nullcontext([]), lambda _: by_command_line("--runner", "beam", "--workers", "2")),
    "portable": (_portable, lambda beam_args: by_command_line("--", *beam_args)),
    "flink": (_flink, lambda beam_args: by_command_line("--", *beam_args)),
    "kubeflow": (lambda: nullcontext([]), lambda _: on_kubeflow),
}


def compare(name: str, places: Sequence[str], data: Path, home: Path) -> tuple[list[str], bool]:
    """Runs a configuration in each place.

    Returns:
      The table's lines, and whether all is the same as in the first place.
    """
    found: dict[str, Outcome] = {}
    lines, same = [], True
    for place in places:
        start, runner = _PLACES[place]
        with start() as beam_args:
            found[place] = runner(beam_args)(
                name, _SOURCES[name](data), home / name / place.replace(" ", "-")
            )
        cells, alike = _difference(found[places[0]], found[place])
        lines.append("| " + " | ".join([name, place, f"{found[place].seconds:.0f}", *cells]) + " |")
        same &= alike
        print(lines[-1], flush=True)
    return lines, same


def _difference(first: Outcome, other: Outcome) -> tuple[list[str], bool]:
    """What stands in the table, and whether it is as it must be."""
    examples, findings, decisions, model = (
        getattr(first, part) == getattr(other, part)
        for part in ("examples", "findings", "decisions", "model")
    )
    largest = max(abs(first.metrics[key] - value) for key, value in other.metrics.items())
    passed = sum(decision[-1] for decision in other.decisions)
    told = [
        *("same" if alike else "OTHER" for alike in (examples, findings)),
        "same" if model else "other",
        f"{largest:.1g}",
        f"{passed} of {len(other.decisions)} met, {'same' if decisions else 'OTHER'}",
    ]
    return told, examples and findings and decisions and (largest <= _TOLERANCE or not model)


def main() -> None:
    """Runs what was asked for and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="japanese_vowels, occupancy; default: both")
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=_PLACES, default=list(_PLACES), metavar="PLACE")
    arguments = parser.parse_args()
    names = arguments.names or list(_SOURCES)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    table = [
        "| configuration | place | s | Examples | findings | model | metrics differ by | requirements |",
        "|---|---|---:|---|---|---|---:|---|",
    ]
    same = True
    with tempfile.TemporaryDirectory(prefix="runners-") as home:
        for name in names:
            lines, alike = compare(name, arguments.only, arguments.data, Path(home))
            table += lines
            same &= alike
    text = "\n".join([machine(), "", *table])
    print(text)
    if names == list(_SOURCES) and arguments.only == list(_PLACES):
        keep("runners", text)
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()

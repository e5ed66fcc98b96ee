"""What the example configurations reach, end to end through the command line.

    .venv/bin/python -m benchmarks.accuracy [NAME …] [--seeds N …] [--home FOLDER] [--data FOLDER]

Each configuration of `pipeline/configs` runs as it is, once with each seed of the training; the mean of
the seeds must reach the bound. Metrics are those of evaluation.json, of the evaluation split as a whole;
but for C-MAPSS the pushed model is asked about the published test engines, which no stage of the run has
seen. `random_labels` must be refused with exit status 4, also where it is judged on the very sequences
it was trained on. The exit status is 1 where something fails; the tables of a full run are kept in
RESULTS.md.

`--home` keeps runs and models there, and a second call with it takes from their cache what it can.
"""

import argparse
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy.runs import Outcome, run
from benchmarks.accuracy.sets import SETS, SHARED, Claim, random_labels
from benchmarks.results import keep, machine

_RANDOM = "random_labels"
_NAMES = (*SETS, _RANDOM)
_SEEDS = (1, 2, 3)
_REFUSED = 4
_TOLD = ("accuracy", "auc", "recall", "precision")  # of random labels
_SAME_ON_BOTH_SIDES = dict.fromkeys(
    ("sequence-in-both-splits", "duplicate-across-splits", "near-duplicate"), "off"
)


def measure(name: str, seeds: Sequence[int], data: Path, home: Path) -> tuple[list[list[str]], bool]:
    """Runs a configuration with each seed.

    Returns:
      The table's lines, and whether all claims hold.
    """
    data_set = SETS[name]
    overrides = data_set.prepare(data, home)
    outcomes, metrics = [], []
    for seed in seeds:
        one = run(name, home, seed, overrides)
        found = dict(one.metrics)
        if data_set.also and one.pushed:
            found |= data_set.also(one, data)
        _tell(name, seed, one, {claim.metric: found.get(claim.metric, math.nan) for claim in data_set.claims})
        outcomes.append(one)
        metrics.append(found)
    ends = _ends(outcomes)
    lines, holds = [], True
    for claim in data_set.claims:
        values = [found.get(claim.metric, math.nan) for found in metrics]
        holds &= claim.holds(statistics.fmean(values))
        lines.append(_line(name, claim, values, ends))
    return lines, holds


def _tell(name: str, seed: int, one: Outcome, shown: dict[str, float]) -> None:
    values = ", ".join(f"{metric} {_shown(value)}" for metric, value in shown.items())
    why = f" ({one.error.splitlines()[0]})" if one.error and one.exit_code not in (0, _REFUSED) else ""
    print(f"{name} seed {seed}: {values}; {one.status}{why}; {one.seconds:.0f} s", flush=True)


def _line(name: str, claim: Claim, values: Sequence[float], ends: str) -> list[str]:
    mean = statistics.fmean(values)
    return [
        name,
        claim.metric,
        *map(_shown, values),
        _shown(mean),
        f"{'<=' if claim.smaller else '>='} {claim.bound:g}",
        claim.published,
        ends,
        "PASS" if claim.holds(mean) else "FAIL",
    ]


def _ends(outcomes: Sequence[Outcome]) -> str:
    """How the runs ended, each way once."""
    ways = [one.status for one in outcomes]
    return ", ".join(f"{way} {ways.count(way)}" if len(set(ways)) > 1 else way for way in dict.fromkeys(ways))


def _shown(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.2f}" if value >= 10 else f"{value:.4f}"


def refuse_random_labels(seeds: Sequence[int], home: Path) -> tuple[list[list[str]], bool]:
    """Runs random labels, split as usual and judged on what trained; both must be refused.

    Returns:
      The table's lines, and whether every model was refused.
    """
    honest, memorised = [], []
    for seed in seeds:  # of the data, too
        path, copy = home / f"{_RANDOM}_{seed}.csv", home / f"{_RANDOM}_{seed}_copy.csv"
        random_labels(path, seed)
        shutil.copyfile(path, copy)
        honest.append(run(_RANDOM, home / "split", seed, {"data.source": str(path)}))
        _tell(_RANDOM, seed, honest[-1], _of_refusal(honest[-1]))
        both = {"data.source": {"train": str(path), "eval": str(copy)}, "audit.severity": _SAME_ON_BOTH_SIDES}
        memorised.append(run(_RANDOM, home / "same", seed, both))
        _tell(f"{_RANDOM}, judged on what trained,", seed, memorised[-1], _of_refusal(memorised[-1]))
    lines = [
        [
            split,
            *(_refusal(one) for one in outcomes),
            "PASS" if all(one.exit_code == _REFUSED for one in outcomes) else "FAIL",
        ]
        for split, outcomes in (("a fifth held out", honest), ("the training sequences", memorised))
    ]
    return lines, all(one.exit_code == _REFUSED for one in (*honest, *memorised))


def _of_refusal(one: Outcome) -> dict[str, float]:
    return {metric: one.metrics.get(metric, math.nan) for metric in _TOLD}


def _refusal(one: Outcome) -> str:
    values = ", ".join(f"{metric} {_shown(value)}" for metric, value in _of_refusal(one).items())
    return f"exit status {one.exit_code}, {values}"


def report(lines: list[list[str]], refusals: list[list[str]], seeds: Sequence[int]) -> str:
    """Both tables as Markdown."""
    columns = [f"seed {seed}" for seed in seeds]
    parts = []
    if lines:
        header = ["data set", "metric", *columns, "mean", "required", "published", "runs", "result"]
        parts.append(_table(header, lines))
    if refusals:
        words = "Random labels, which must be refused with exit status 4; a seed draws its own data:"
        parts += [words, _table(["judged on", *columns, "result"], refusals)]
    return "\n\n".join(parts)


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows))


def _require(names: Sequence[str], data: Path) -> None:
    files = [data / file for name in names if name in SETS for file in SETS[name].files]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise SystemExit(
            "these files are missing; get them, see the configurations, or name their folder with --data:\n  "
            + "\n  ".join(missing)
        )


def main() -> None:
    """Runs the benchmark, prints its tables and keeps those of a full run."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    warnings.simplefilter("ignore")
    arguments = _arguments()
    names, seeds = arguments.names or _NAMES, arguments.seeds
    if unknown := sorted(set(names) - set(_NAMES)):
        raise SystemExit(f"expected some of {', '.join(_NAMES)}, got {', '.join(unknown)}")
    data = arguments.data.resolve()
    _require(names, data)
    begin, good = time.perf_counter(), True
    lines: list[list[str]] = []
    refusals: list[list[str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        home = (arguments.home or Path(temporary)).resolve()
        for name in names:
            folder = home / name
            folder.mkdir(parents=True, exist_ok=True)
            if name == _RANDOM:
                refusals, holds = refuse_random_labels(seeds, folder)
            else:
                found, holds = measure(name, seeds, data, folder)
                lines += found
            good &= holds
    minutes = (time.perf_counter() - begin) / 60
    text = report(lines, refusals, seeds)
    print(f"\n{text}\n\n{minutes:.0f} min")
    if set(names) == set(_NAMES) and tuple(seeds) == _SEEDS:
        keep("accuracy", f"`python -m benchmarks.accuracy`: {machine()}; {minutes:.0f} min\n\n{text}")
    sys.exit(0 if good else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(_NAMES)}; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=_SEEDS, help="default: 1 2 3")
    parser.add_argument("--home", type=Path, help="folder of the runs; default: a temporary one")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the data sets")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Sequences per second in training: the Trainer, plain Keras on arrays, PyTorch.

    .venv/bin/python -m benchmarks.training [--shapes N …] [--rounds N] [--share X] [--no-torch]

- Trainer: its own loop, from a GZIP TFRecord file of transformed examples, as `run_fn` sets it up for a
  long training; it sorts sequences of similar length into batches.
- Keras: `model.fit` on padded arrays in memory with their mask, the same model; with Keras' default
  compilation and with XLA, the faster of the two counts.
- PyTorch: the same network and loss with `nn.GRU`, in an environment of its own (gigabytes, made once in the
  user's cache; UV_TORCH_BACKEND=cpu makes it small where PyTorch's own index can be reached); batches
  as long as their longest sequence and, where lengths differ, packed too, the faster counts.

Each is a process that stays, with the same number of threads; they take turns, one epoch each a round. The
first epoch, in which things are compiled, is told apart. The Trainer passes with at least 0.9 of Keras'
speed and all of PyTorch's, as the median of the rounds' ratios; else the exit status is 1. The table
of a full run is kept in RESULTS.md.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.environments import CannotBeMade, python_with
from benchmarks.results import keep, machine
from benchmarks.training.shapes import BATCH, SHAPES, Shape
from benchmarks.training.worker import Worker

_BOUNDS = {"Keras": 0.9, "PyTorch": 1.0}
_TORCH = Path(__file__).with_name("torch.txt")
_WARM = 2  # epochs that do not count: the first compiles, the second is still slower


@dataclass(frozen=True)
class Speeds:
    """Of one contender on one shape: seconds of the first epoch, sequences per second in each round."""

    first_s: float
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.rounds)


Found = dict[str, dict[str, Speeds]]  # by side and variant


def measure(shape: Shape, workers: dict[str, Worker], rounds: int) -> Found:
    """Lets all contenders train in turn."""
    turns = [(side, variant) for side in workers for variant in _variants(side, shape)]
    for side, worker in workers.items():
        worker.prepare(shape, _variants(side, shape))
    first = {turn: workers[turn[0]].epoch(turn[1]) for turn in turns}
    for _ in range(_WARM - 1):
        for side, variant in turns:
            workers[side].epoch(variant)
    seconds: dict[tuple[str, str], list[float]] = {turn: [] for turn in turns}
    for _ in range(rounds):
        for side, variant in turns:
            seconds[side, variant].append(workers[side].epoch(variant))
    found: Found = {side: {} for side in workers}
    for side, variant in turns:
        speeds = tuple(shape.sequences / one for one in seconds[side, variant])
        found[side][variant] = Speeds(first[side, variant], speeds)
    return found


def _variants(side: str, shape: Shape) -> tuple[str, ...]:
    if side == "Trainer":
        return ("",)
    if side == "Keras":
        return "auto", "xla"
    return ("padded", "packed") if shape.is_ragged else ("padded",)


def ratios(found: Found, rival: str) -> list[float]:
    """The Trainer's speed over that of a rival's faster variant, round by round."""
    best = max(found[rival].values(), key=lambda speeds: speeds.median)
    return [ours / theirs for ours, theirs in zip(found["Trainer"][""].rounds, best.rounds, strict=True)]


def passes(found: Found) -> bool:
    """Whether the Trainer is as fast as it must be."""
    return all(
        statistics.median(ratios(found, rival)) >= bound for rival, bound in _BOUNDS.items() if rival in found
    )


def report(table: Sequence[tuple[Shape, Found]], torch: str) -> str:
    """The measurements as Markdown tables."""
    lines = [
        "| shape | contender | sequences per second | range | first epoch s |",
        "|---|---|---:|---:|---:|",
    ]
    for shape, found in table:
        for side, variants in found.items():
            for variant, one in variants.items():
                lines.append(
                    f"| {shape.name} | {side} {variant}".rstrip()
                    + f" | {one.median:,.0f} | {_range(one.rounds, ',.0f')} | {one.first_s:.1f} |"
                )
    rivals = [rival for rival in _BOUNDS if rival in table[0][1]]
    header = [f"Trainer / {rival} (at least {_BOUNDS[rival]:.1f})" for rival in rivals]
    lines += [
        "",
        "| shape | " + " | ".join([*header, "result"]) + " |",
        "|---|" + "---:|" * len(rivals) + "---|",
    ]
    for shape, found in table:
        cells = [f"{statistics.median(one):.2f} ({_range(one, '.2f')})" for one in _each(found, rivals)]
        lines.append("| " + " | ".join([shape.name, *cells, "PASS" if passes(found) else "FAIL"]) + " |")
    lines += ["", "Ratios are medians of the rounds, and their range; each rival by its faster variant."]
    return "\n".join([*lines, torch])


def _each(found: Found, rivals: Sequence[str]) -> Iterator[list[float]]:
    return (ratios(found, rival) for rival in rivals)


def _range(values: Sequence[float], form: str) -> str:
    return f"{min(values):{form}} to {max(values):{form}}"


def _python_of_torch() -> tuple[Path | None, str]:
    """PyTorch's Python, or why there is none."""
    try:
        return python_with(_TORCH), ""
    except CannotBeMade as error:
        return (
            None,
            f"PyTorch was left out, its environment cannot be made: {' '.join(str(error).split())[:300]}",
        )


def _packages() -> str:
    lines = _TORCH.read_text(encoding="utf-8").splitlines()
    return ", ".join(line for line in lines if not line.startswith("#"))


def main() -> None:
    """Runs the benchmark, prints its tables and keeps those of a full run."""
    arguments = _arguments()
    begin = time.perf_counter()
    chosen = [SHAPES[number - 1] for number in arguments.shapes]
    shapes = [_smaller(shape, arguments.share) for shape in chosen]
    python, missing = (None, "PyTorch was left out.") if arguments.no_torch else _python_of_torch()
    sides = {"Trainer": (Path(sys.executable), "trainer_side"), "Keras": (Path(sys.executable), "keras_side")}
    if python:
        sides["PyTorch"] = (python, "torch_side")
    table = []
    with ExitStack() as stack:
        workers = {
            side: stack.enter_context(Worker(program, f"benchmarks.training.{module}", arguments.threads))
            for side, (program, module) in sides.items()
        }
        for shape in shapes:
            found = measure(shape, workers, arguments.rounds)
            table.append((shape, found))
            speeds = ", ".join(
                f"{side} {variant}".rstrip() + f" {one.median:,.0f}"
                for side, variants in found.items()
                for variant, one in variants.items()
            )
            print(f"{shape.name}: {speeds} sequences per second", flush=True)
    how = (
        f"{arguments.threads} threads, batches of {BATCH}, {arguments.rounds} rounds, "
        f"{(time.perf_counter() - begin) / 60:.0f} min"
    )
    text = report(table, missing or f"PyTorch's side: {_packages()}.")
    print(f"\n{text}\n\n{how}")
    if shapes == list(SHAPES) and python:
        keep("training", f"`python -m benchmarks.training`: {machine()}; {how}\n\n{text}")
    sys.exit(0 if all(passes(found) for _, found in table) else 1)


def _smaller(shape: Shape, share: float) -> Shape:
    return replace(shape, sequences=BATCH * max(1, round(shape.sequences / BATCH * share)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = range(1, len(SHAPES) + 1)
    known = "; ".join(f"{number}: {SHAPES[number - 1].name}" for number in numbers)
    parser.add_argument("--shapes", type=int, nargs="+", choices=numbers, default=numbers, help=known)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the sequences of an epoch, for a quick look"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-torch", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

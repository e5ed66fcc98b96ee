"""How often `sluice drift` raises a false alarm, and what it finds.

    python -m benchmarks.drift [DRAWS]

Training splits and logs are drawn from one distribution, in three populations: the demo's data; one in
which all steps of a sequence are alike, with lengths, categories, missing values and a heavy tail, the
hardest case for the noise of a small log; and recordings of japanese_vowels, drawn with replacement (where
../shared/data has them). Each log is compared by the defaults, and by bounds of nothing, which leaves
what chance alone explains. Then drift is planted.
"""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config import Drift
from serving.drift.measures import measure
from tests.serving.drift.populations import Sample, alike, counted, demo, trained

SIZES = (200, 1_000, 10_000)
TRAINED = 800
NOTHING = Drift(numbers=1e-9, categories=1e-9, lengths=1e-9, missing=1e-9)

Draw = Callable[[int, np.random.Generator], Sample]


def vowels(path: Path) -> Draw:
    """Recordings of japanese_vowels, drawn with replacement."""
    from components.ingest import ts_file
    from pipeline.config import Data

    table = pa.concat_tables(
        [piece.table for piece in ts_file.read(str(path), "vowels", Data(source=(str(path),)))]
    )
    names = [name for name in table.column_names if name.startswith("dim_")]
    rows = {name: [np.array(one, np.float32) for one in table.column(name).to_pylist()] for name in names}

    def draw(count: int, random: np.random.Generator) -> Sample:
        chosen = random.integers(len(table), size=count)
        lengths = np.array([len(rows[names[0]][one]) for one in chosen])
        return lengths, {name: np.concatenate([rows[name][one] for one in chosen]) for name in names}

    return draw


def false_alarms(name: str, draw: Draw, draws: int) -> None:
    """Prints the share of honest logs in which anything was beyond its bound."""
    random = np.random.default_rng(1)
    for size in SIZES:
        beyond: Counter[str] = Counter()
        largest: dict[str, float] = {}
        for _ in range(draws):
            against = trained(draw(TRAINED, random))
            log = counted(draw(size, random), against)
            for label, bounds in (("defaults", Drift()), ("nothing", NOTHING)):
                found = measure(against, log, bounds, {})
                beyond[label] += any(one.beyond for one in found)
                for one in found:
                    largest[one.measure] = max(largest.get(one.measure, 0.0), one.value)
        shown = ", ".join(f"{what} {value:.3f}" for what, value in sorted(largest.items()))
        print(
            f"{name:<16} {size:>6,} sequences: {beyond['defaults']} of {draws} by the defaults, "
            f"{beyond['nothing']} by bounds of 0; largest values: {shown}"
        )


def detection(draws: int) -> None:
    """Prints how often planted drift is found, by the defaults."""
    planted: dict[str, Callable[[Sample], Sample]] = {
        **{f"a number {by} deviations higher": _shift(by) for by in (0.25, 0.5, 0.75, 1.0)},
        "a number in another unit (x 1.8 + 32)": lambda one: _changed(one, "heavy", lambda x: 1.8 * x + 32),
        "a number that is always 0": lambda one: _changed(one, "heavy", lambda x: 0 * x),
        "a fifth of the values gone": lambda one: _changed(one, "whole", _holes),
        "a new category in a quarter": lambda one: _changed(one, "colour", _renamed),
        "sequences of half the steps": _halved,
    }
    for what, change in planted.items():
        shares = []
        for size in SIZES[:2]:
            random = np.random.default_rng(2)
            hits = 0
            for _ in range(draws):
                against = trained(alike(TRAINED, random))
                log = counted(change(alike(size, random)), against)
                hits += any(one.beyond for one in measure(against, log, Drift(), {}))
            shares.append(f"{hits} of {draws} with {size:,} sequences")
        print(f"{what:<40} found in {', '.join(shares)}")


def _shift(by: float) -> Callable[[Sample], Sample]:
    return lambda one: _changed(one, "normal", lambda x: x + np.float32(by))


def _changed(sample: Sample, name: str, change: Callable[[Any], Any]) -> Sample:
    lengths, features = sample
    return lengths, {**features, name: change(features[name]).astype(features[name].dtype)}


def _holes(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.where(np.arange(len(values)) % 5 == 0, np.float32("nan"), values)


def _renamed(values: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    return np.where(np.arange(len(values)) % 4 == 0, "z", values)


def _halved(sample: Sample) -> Sample:
    lengths, features = sample
    half = (lengths + 1) // 2
    at = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = at < np.repeat(half, lengths)
    return half, {name: one[kept] for name, one in features.items()}


def main(draws: int) -> None:
    """Prints all of it."""
    false_alarms("demo", demo, draws)
    false_alarms("alike", alike, draws)
    recordings = Path(__file__).resolve().parents[2] / "shared/data/japanese_vowels/JapaneseVowels_TRAIN.ts"
    if recordings.is_file():
        false_alarms("japanese_vowels", vowels(recordings), max(1, draws // 4))
    detection(max(1, draws // 4))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)

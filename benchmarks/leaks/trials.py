"""All trials of the kit, each one defect in one data set at one strength, and their outcomes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.leaks.clean import SETS, clean
from benchmarks.leaks.deepchecks_environment import failed_conditions
from benchmarks.leaks.flat import write_flat
from benchmarks.leaks.judge import NOTHING, Judgement, judge
from benchmarks.leaks.planted import PLANTINGS
from benchmarks.leaks.planting import DoesNotApply, Planting
from benchmarks.leaks.splits import Splits

# deepchecks takes seconds for a table: these, and where a defect applies to none of them the next one.
_COMPARED = ("occupancy_hours", "sms_spam", "occupancy")


@dataclass(frozen=True)
class Trial:
    """One defect to plant; none: the clean data set.

    Attributes:
      data_set: a key of `SETS`.
      planting: number in `PLANTINGS`.
      strength: a key of its strengths.
      seed: of the random numbers.
    """

    data_set: str
    planting: int | None = None
    strength: str = ""
    seed: int = 0

    @property
    def what(self) -> Planting:
        """The planting."""
        assert self.planting is not None
        return PLANTINGS[self.planting]

    @property
    def ends(self) -> bool:
        """Whether it is the first seed of the smallest or the obvious strength."""
        return self.seed == 0 and self.strength in self.what.ends

    @property
    def file(self) -> str:
        """Name of its flat tables."""
        if self.planting is None:
            return self.data_set
        number = list(self.what.strengths).index(self.strength)
        return f"{self.data_set}-{self.planting}-{number}-{self.seed}"


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
      trial: what was planted.
      judgement: what Sluice and TFDV found.
      sequences: in train and eval.
      names: the checks that may report it.
      does_not_apply: why the data set cannot have the defect; nothing was judged then.
      deepchecks: its failed conditions; None where it was not asked.
    """

    trial: Trial
    judgement: Judgement = NOTHING
    sequences: tuple[int, int] = (0, 0)
    names: tuple[str, ...] = ()
    does_not_apply: str = ""
    deepchecks: tuple[str, ...] | None = None


def all_trials(
    data_sets: Sequence[str], checks: Sequence[str], seeds: int, *, ends_only: bool
) -> Iterator[Trial]:
    """The clean data sets, then every planting at every strength, or only the smallest and the obvious."""
    yield from (Trial(name) for name in data_sets)
    for name in (name for name in data_sets if SETS[name].planted):
        for number, planting in enumerate(PLANTINGS):
            if planting.check not in checks:
                continue
            found = (
                Trial(name, number, strength, seed)
                for strength in planting.strengths
                for seed in range(seeds)
            )
            yield from (trial for trial in found if trial.ends or not ends_only)


def run(trials: Sequence[Trial], data: Path, flat: Path | None, jobs: int) -> list[Outcome]:
    """Runs trials in processes of their own, in which each data set is ingested once.

    Args:
      trials: what to plant.
      data: the folder of the data sets.
      flat: where flat tables are written for deepchecks; None: nowhere.
      jobs: processes.
    """
    found = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run_one, trial, data, flat): trial for trial in trials}
        for number, done in enumerate(as_completed(waiting), 1):
            found[waiting[done]] = done.result()
            if number % 50 == 0 or number == len(trials):
                print(f"{number:>5} of {len(trials)} trials", flush=True)
    return [found[trial] for trial in trials]


def run_one(trial: Trial, data: Path, flat: Path | None) -> Outcome:
    """Plants one defect and judges the result."""
    splits = clean(trial.data_set, data)
    if trial.planting is not None:
        try:
            changed = planted(trial, splits)
        except DoesNotApply as why:
            return Outcome(trial, does_not_apply=str(why))
        assert not _same(splits, changed), f"nothing was planted: {trial}"
        splits = changed
    if flat and (trial.planting is None or trial.ends):
        write_flat(splits, flat, trial.file)
    names = trial.what.names(splits.config) if trial.planting is not None else ()
    return Outcome(trial, judge(splits), (len(splits.train), len(splits.eval)), names)


def planted(trial: Trial, splits: Splits) -> Splits:
    """Clean splits with the defect of a trial; the same random numbers at every strength."""
    random = np.random.default_rng([trial.seed, trial.planting or 0])
    return trial.what.plant(splits, trial.what.strengths[trial.strength], random)


def _same(one: Splits, other: Splits) -> bool:
    alike = one.train.equals(other.train) and one.eval.equals(other.eval)
    return alike and one.config == other.config and one.schema is other.schema


def with_deepchecks(outcomes: Sequence[Outcome], flat: Path, jobs: int) -> list[Outcome]:
    """Has deepchecks judge the clean tables, and the smallest and the obvious strength of each defect."""
    asked = _compared(outcomes)
    wanted = {one.trial.data_set for one in asked}
    asked += [one for one in outcomes if one.trial.planting is None and one.trial.data_set in wanted]
    print(f"deepchecks: {len(asked)} pairs of tables", flush=True)
    found = failed_conditions(flat, [one.trial.file for one in asked], jobs)
    return [
        replace(one, deepchecks=tuple(found[one.trial.file])) if one.trial.file in found else one
        for one in outcomes
    ]


def _compared(outcomes: Sequence[Outcome]) -> list[Outcome]:
    ends = [one for one in outcomes if one.trial.planting is not None and one.trial.ends]
    ends = [one for one in ends if not one.does_not_apply]
    chosen = [one for one in ends if one.trial.data_set in _COMPARED]
    covered = {(one.trial.planting, one.trial.strength) for one in chosen}
    for one in ends:
        if (one.trial.planting, one.trial.strength) not in covered:
            covered.add((one.trial.planting, one.trial.strength))
            chosen.append(one)
    return chosen

"""How often a model of known quality passes a bound."""

from collections.abc import Sequence

import numpy as np

from benchmarks.gate import draws, plain
from benchmarks.gate.shares import Share, shown, table
from benchmarks.gate.tallied import measured
from components.verdict.bounds import value_bounds
from components.verdict.evaluation import Evaluated, Evidence, SliceMetrics
from pipeline.config import Gate, Threshold

_SEED = 30_000
_BOUND = 0.80
_DISTANCES = (-0.05, -0.02, 0.0, 0.05, 0.10)  # of the true value from the bound
_POSITIVES, _REQUIRED_AT = (50, 100, 500, 2000), 500
_MOST_OF_WORSE, _LEAST_OF_BETTER = 0.05, 0.90
_DRAW: dict[str, draws.Draw] = {
    "recall": draws.recall, "precision": draws.precision, "f1": draws.f1, "auc": draws.auc
}  # fmt: skip
_ONE_BY_ONE = 20  # draws whose every example TFMA is given

_SLICES, _IN_SLICE = 20, 200
_CASES: dict[str, Sequence[float]] = {
    "one 0.05 below the bound, 19 0.10 above": (-0.05, *[0.10] * 19),
    "one 0.05 below the bound, 19 0.02 above": (-0.05, *[0.02] * 19),
    "one at the bound, 19 0.15 above": (0.0, *[0.15] * 19),
    "all 0.02 below": [-0.02] * 20,
    "all at the bound": [0.0] * 20,
    "all 0.02 above": [0.02] * 20,
    "all 0.10 above": [0.10] * 20,
}


def report(repetitions: int) -> tuple[str, bool]:
    """All tables, and whether what is required holds."""
    ours, theirs = _recalls(repetitions)
    worse, better = (ours[_REQUIRED_AT, distance].interval for distance in (min(_DISTANCES), max(_DISTANCES)))
    few, many = worse[1] < _MOST_OF_WORSE, better[0] >= _LEAST_OF_BETTER
    header = ["positives", "true recall", "the gate passes", "plain TFMA passes"]
    rows = [
        [f"{n:,}", f"{_BOUND + distance:.2f}", share, theirs[n, distance]]
        for (n, distance), share in ours.items()
    ]
    text = [
        f"`recall >= {_BOUND:.2f}`, {repetitions:,} simulated evaluations each, as many negatives as "
        "positives; rates with their exact 95 % interval. TFMA's own validation of its own recall agreed "
        f"with `value >= bound` on all {repetitions * len(ours):,} draws, given as weighted cells of their "
        f"confusion matrices, and on {_ONE_BY_ONE} given example by example:",
        table(header, rows),
        f"Required at {_REQUIRED_AT} positives: 0.05 below the bound passes in less than 5 % (upper end "
        f"{worse[1]:.1%}): {shown(holds=few)}; 0.10 above it in at least 90 % (lower end {better[0]:.1%}): "
        f"{shown(holds=many)}.",
        f"Other metrics with the same bound; n, {_REQUIRED_AT}, is what a share is of, or positives:",
        _others(repetitions),
        f"`recall >= {_BOUND:.2f}` in each of {_SLICES} slices of {_IN_SLICE} positives, with and without "
        "`gate.correct_for_slices`:",
        _slices(repetitions),
    ]
    return "\n\n".join(text), few and many


def _recalls(repetitions: int) -> tuple[dict[tuple[int, float], Share], dict[tuple[int, float], Share]]:
    """Of each number of positives and distance from the bound, how often the gate passes, and TFMA."""
    ours, theirs = {}, {}
    for n in _POSITIVES:
        for distance in _DISTANCES:
            random, extracts, passed, by_value = _random("recall", n, distance), [], 0, []
            for draw in range(repetitions):
                answers = draws.recall(random, n, _BOUND + distance)
                one = draws.evaluated(*answers)
                passed += _passes("recall", one)
                by_value.append(measured(one, "recall") >= _BOUND)
                extracts += plain.weighted(draw, *answers)
            _agree(plain.met(extracts, repetitions, _BOUND), by_value, f"{n} positives, {distance:+}")
            ours[n, distance], theirs[n, distance] = (
                Share(passed, repetitions), Share(sum(by_value), repetitions)
            )  # fmt: skip
            print(f"{n} positives, {distance:+.2f}: {ours[n, distance]}", flush=True)
    _weights_do_not_matter()
    return ours, theirs


def _weights_do_not_matter() -> None:
    """Gives TFMA some draws example by example."""
    random, extracts, by_value = _random("recall", _REQUIRED_AT, 0.0), [], []
    for draw in range(_ONE_BY_ONE):
        answers = draws.recall(random, _REQUIRED_AT, _BOUND)
        by_value.append(measured(draws.evaluated(*answers), "recall") >= _BOUND)
        extracts += plain.one_by_one(draw, *answers)
    _agree(plain.met(extracts, _ONE_BY_ONE, _BOUND), by_value, "example by example")


def _agree(theirs: list[bool], ours: list[bool], where: str) -> None:
    if theirs != ours:
        apart = [draw for draw, (one, other) in enumerate(zip(theirs, ours, strict=True)) if one != other]
        raise SystemExit(f"{where}: TFMA and value >= bound differ on the draws {apart}")


def _random(metric: str, n: int, distance: float) -> np.random.Generator:
    return np.random.default_rng([_SEED, list(_DRAW).index(metric), n, _DISTANCES.index(distance)])


def _passes(metric: str, one: SliceMetrics) -> bool:
    decisions = value_bounds(Gate(), [Threshold(metric=metric, min=_BOUND)], Evidence(Evaluated([one])))
    assert len(decisions) == 1
    return decisions[0].passed


def _others(repetitions: int) -> str:
    rows = []
    for metric in list(_DRAW)[1:]:
        for distance in _DISTANCES:
            random, passed, by_value = _random(metric, _REQUIRED_AT, distance), 0, 0
            for _ in range(repetitions):
                one = draws.evaluated(*_DRAW[metric](random, _REQUIRED_AT, _BOUND + distance))
                passed += _passes(metric, one)
                by_value += measured(one, metric) >= _BOUND
            shares = [Share(count, repetitions) for count in (passed, by_value)]
            rows.append([metric, f"{_BOUND + distance:.2f}", *shares])
            print(f"{metric}, {distance:+.2f}: {shares[0]}", flush=True)
    return table(["metric", "true value", "the gate passes", "value >= bound"], rows)


def _slices(repetitions: int) -> str:
    rows = []
    for place, (case, distances) in enumerate(_CASES.items()):
        random = np.random.default_rng([_SEED, _SLICES, place])
        found = [_judge_slices(random, distances) for _ in range(repetitions)]
        not_above = [at for at, distance in enumerate(distances) if distance <= 0]
        for side, name in enumerate(("corrected", "not corrected", "value >= bound")):
            all_pass = sum(all(one[side]) for one in found)
            worse = sum(any(one[side][at] for at in not_above) for one in found)
            shares = [Share(all_pass, repetitions), Share(worse, repetitions) if not_above else ""]
            rows.append([case, name, *shares])
        print(f"{case}: {rows[-3][2]}", flush=True)
    return table(
        ["true recall of the slices", "judged by", "all pass", "a slice not above the bound passes"], rows
    )


def _judge_slices(random: np.random.Generator, distances: Sequence[float]) -> list[list[bool]]:
    """Whether each slice passes, corrected, not corrected, and by its value."""
    slices = [
        draws.evaluated(*draws.recall(random, _IN_SLICE, _BOUND + distance), {"segment": f"s{at:02d}"})
        for at, distance in enumerate(distances)
    ]
    evidence = Evidence(Evaluated(slices))
    bound = [Threshold(metric="recall", min=_BOUND, slice="segment")]
    passed = []
    for corrected in (True, False):
        decisions = value_bounds(Gate(correct_for_slices=corrected), bound, evidence)
        by_slice = {one.slice["segment"]: one.passed for one in decisions}
        passed.append([by_slice[one.slice["segment"]] for one in slices])
    return [*passed, [measured(one, "recall") >= _BOUND for one in slices]]

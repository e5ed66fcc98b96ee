"""Models that must be refused, and one that must not."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.gate.learner import Learner, Numbers, verdict
from benchmarks.gate.shares import Share, ranked, shown, table
from benchmarks.gate.tallied import Integers, measured
from components.verdict.decisions import Decision
from components.verdict.evaluation import SliceMetrics
from pipeline import demo_data

_SEED = 40_000
_TWO = ("no", "yes")
_STEPS, _FEATURES = 10, 4
_SEQUENCES = 200  # of an evaluation split

_EPOCHS_OF_RANDOM = (5, 20, 60)  # in turn: from a model that has hardly learnt to one that overfits
_RANDOM = ((_SEQUENCES, 0.5), (50, 0.5), (_SEQUENCES, 0.1))  # sequences that judge, share of positive ones
_UNTIL, _AT_ONCE = 2000, 20  # epochs at most to learn by heart, and between two looks
_EPOCHS_OF_ORDER = 10
_WEAK: dict[str, Any] = {"thresholds": [{"metric": "recall_macro", "min": 0.4}]}

Data = tuple[Numbers, Integers]

_AS_THEY_ARE = "as they are"
_VIEWS: dict[str, Callable[[Numbers], Numbers]] = {
    "sorted": lambda numbers: np.sort(numbers, axis=1),
    "averaged": lambda numbers: np.broadcast_to(numbers.mean(axis=1, keepdims=True), numbers.shape),
    _AS_THEY_ARE: lambda numbers: numbers,
}


@dataclass(frozen=True)
class _Guess:
    """What became of a model of random labels.

    Attributes:
      failed: gates and metrics that refused it.
      accurate: whether its accuracy is at least 0.5.
      precise: whether recall and precision are at least 0.6.
    """

    failed: frozenset[tuple[str, str]]
    accurate: bool
    precise: bool


def random_labels(seeds: int) -> tuple[str, bool]:
    """Labels that nothing says anything about: every model must be refused."""
    learner = Learner(_TWO, _FEATURES, units=8, batch_size=50, learning_rate=0.01)
    rows, gates, holds = [], "", True
    for judged, positive in _RANDOM:
        found = [_guess(learner, judged, positive, seed) for seed in range(seeds)]
        refused = sum(bool(one.failed) for one in found)
        let_through = (sum(one.accurate for one in found), sum(one.precise for one in found))
        rows.append([judged, f"{positive:.0%}", *(Share(count, seeds) for count in (refused, *let_through))])
        holds &= refused == seeds
        gates = gates or _gates(found)
        print(f"random labels, {judged} to judge, {positive:.0%}: {refused} of {seeds}", flush=True)
    text = [
        f"Random labels: GRU(8), {2 * _SEQUENCES} sequences to train on, "
        f"{', '.join(map(str, _EPOCHS_OF_RANDOM))} epochs in turn, the default policy. Beside it what bounds "
        "on the value alone, and no other gate, would have let through. Required that all are refused: "
        f"{shown(holds=holds)}.",
        table(
            ["sequences to judge", "positive", "refused", "accuracy >= 0.5", "recall and precision >= 0.6"],
            rows,
        ),
        f"What refused them, {_RANDOM[0][0]} to judge and half of them positive:",
        gates,
    ]
    return "\n\n".join(text), holds


def _guess(learner: Learner, judged: int, positive: float, seed: int) -> _Guess:
    random = np.random.default_rng([_SEED, judged, int(100 * positive), seed])
    train, evaluation = (_noise(random, count, positive) for count in (2 * _SEQUENCES, judged))
    learner.start(seed)
    learner.train(*train, _EPOCHS_OF_RANDOM[seed % len(_EPOCHS_OF_RANDOM)])
    evidence = learner.evidence(train, evaluation)
    return _Guess(
        frozenset(_named(one) for one in verdict(evidence) if not one.passed),
        _at_least(evidence.overall, 0.5, "accuracy"),
        _at_least(evidence.overall, 0.6, "recall", "precision"),
    )


def _gates(found: Sequence[_Guess]) -> str:
    """How often each gate refused, and how often no other did."""
    counts = Counter(name for one in found for name in one.failed)
    alone = Counter(name for one in found for name in one.failed if len(one.failed) == 1)
    rows = [
        [gate, metric, Share(count, len(found)), alone[gate, metric]]
        for (gate, metric), count in ranked(counts)
    ]
    return table(["gate", "metric", "refuses", "it alone"], rows)


def _noise(random: np.random.Generator, count: int, positive: float = 0.5) -> Data:
    return _numbers(random, count), (random.random(count) < positive).astype(np.int64)


def _hidden_cause(random: np.random.Generator, count: int) -> Data:
    """Labels that depend a little on whether the first feature rises, and mostly on what nobody sees."""
    numbers = _numbers(random, count)
    rises = numbers[:, -5:, 0].mean(axis=1) - numbers[:, :5, 0].mean(axis=1)
    return numbers, (rises + random.normal(scale=2.0, size=count) > 0).astype(np.int64)


def _numbers(random: np.random.Generator, count: int) -> Numbers:
    return random.normal(size=(count, _STEPS, _FEATURES)).astype(np.float32)


def _named(one: Decision) -> tuple[str, str]:
    """Gate and metric; `recall[no]` and `recall[yes]`, whichever is rarer, under one name."""
    return one.gate, one.metric.partition("[")[0] + ("[rarer class]" if "[" in one.metric else "")


def _at_least(overall: SliceMetrics, bound: float, *metrics: str) -> bool:
    return all(measured(overall, metric) >= bound for metric in metrics)


def memorised(seeds: int) -> tuple[str, bool]:
    """Training sequences learnt by heart: refused, also where the bounds are weak."""
    learner = Learner(_TWO, _FEATURES, units=64, batch_size=50, learning_rate=0.01)
    rows, reasons, holds = [], [], True
    for name, make in (("random", _noise), ("mostly a hidden cause", _hidden_cause)):
        found = [_by_heart(learner, make, seed) for seed in range(seeds)]
        accuracies = [accuracy for accuracy, _, _ in found]
        refused = sum(not _passed(default) for _, default, _ in found)
        met = sum(_passed(one for one in weak if one.gate == "value") for _, _, weak in found)
        caught = sum(not _passed(one for one in weak if one.gate == "overfit") for _, _, weak in found)
        spread = f"{min(accuracies):.2f} to {max(accuracies):.2f}"
        rows.append([name, spread, *(Share(count, seeds) for count in (refused, met, caught))])
        holds &= refused == caught == seeds
        _, default, weak = found[0]
        reasons.append(_said(f"Labels {name}, seed 0, the default policy", default))
        reasons.append(_said(f"Labels {name}, seed 0, `recall_macro >= 0.4`", weak))
        print(f"memorised, {name}: {refused} of {seeds} refused", flush=True)
    header = [
        "labels", "accuracy when judged", "the default policy refuses", "`recall_macro >= 0.4` is met",
        "beside it, overfit refuses",
    ]  # fmt: skip
    text = [
        f"Learnt by heart: GRU(64), {_SEQUENCES} sequences until the accuracy in training is 1.0, judged on "
        f"{_SEQUENCES} others. Required that all are refused, and by overfit where the only bound is "
        f"`recall_macro >= 0.4`: {shown(holds=holds)}.",
        table(header, rows),
        *reasons,
    ]
    return "\n\n".join(text), holds


def _by_heart(
    learner: Learner, make: Callable[[np.random.Generator, int], Data], seed: int
) -> tuple[float, list[Decision], list[Decision]]:
    """Accuracy on other sequences, and the decisions under the default policy and weak bounds."""
    random = np.random.default_rng([_SEED + 1, seed])
    train, evaluation = make(random, _SEQUENCES), make(random, _SEQUENCES)
    _learn_by_heart(learner, train, seed)
    evidence = learner.evidence(train, evaluation)
    return measured(evidence.overall, "accuracy"), verdict(evidence), verdict(evidence, **_WEAK)


def _passed(decisions: Iterable[Decision]) -> bool:
    return all(one.passed for one in decisions)


def _learn_by_heart(learner: Learner, train: Data, seed: int) -> None:
    learner.start(seed)
    for _ in range(_UNTIL // _AT_ONCE):
        learner.train(*train, _AT_ONCE)
        if (learner.probabilities(train[0]).argmax(axis=1) == train[1]).all():
            return
    raise SystemExit(f"seed {seed}: {_UNTIL} epochs were not enough to learn {len(train[1])} sequences")


def _said(title: str, decisions: Sequence[Decision]) -> str:
    failed = [f"- {one.gate}: {one.reason}. {one.next_action}." for one in decisions if not one.passed]
    return "\n".join([f"{title}:", "", *failed])


def order(seeds: int) -> tuple[str, bool]:
    """The demo's data, whose class only the order of the steps shows."""
    learner = Learner(demo_data.CLASSES, demo_data.FEATURES, units=16, batch_size=32, learning_rate=0.005)
    rows, reasons, holds = [], [], True
    for name, seen in _VIEWS.items():
        found = [_in_order(learner, seen, seed) for seed in range(seeds)]
        recalls = [recall for recall, _ in found]
        refused = [decisions for _, decisions in found if not _passed(decisions)]
        gates = Counter(gate for one in refused for gate in {each.gate for each in one if not each.passed})
        by = ", ".join(f"{gate} {count}" for gate, count in ranked(gates))
        rows.append([name, f"{min(recalls):.2f} to {max(recalls):.2f}", Share(len(refused), seeds), by])
        holds &= len(refused) == (0 if name == _AS_THEY_ARE else seeds)
        reasons += [_said(f"Steps {name}, the first refused", refused[0])] if refused else []
        print(f"order, {name}: {len(refused)} of {seeds} refused", flush=True)
    text = [
        f"Order: the demo's data, GRU(16), {_EPOCHS_OF_ORDER} epochs, the first 800 sequences train and 200 "
        "judge, the default policy. Required that a model is refused that sees each feature's values sorted, "
        f"or in each step their average, and one that sees them as they are is not: {shown(holds=holds)}.",
        table(["the model sees the steps", "recall_macro", "refused", "by"], rows),
        *reasons,
    ]
    return "\n\n".join(text), holds


def _in_order(
    learner: Learner, seen: Callable[[Numbers], Numbers], seed: int
) -> tuple[float, list[Decision]]:
    """Recall on the evaluation split, and the decisions, of a model that sees the steps in some way."""
    (numbers, labels), evaluation = _demo(seed)
    learner.start(seed)
    learner.train(seen(numbers), labels, _EPOCHS_OF_ORDER)
    evidence = learner.evidence((numbers, labels), evaluation, seen)
    return measured(evidence.overall, "recall_macro"), verdict(evidence)


def _demo(seed: int) -> tuple[Data, Data]:
    """Training and evaluation split of the demo's data, in the order of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.csv"
        demo_data.make(path, seed)
        rows = pd.read_csv(path)
    shape = (demo_data.SEQUENCES, demo_data.STEPS, demo_data.FEATURES)
    numbers = rows[[f"f{i}" for i in range(demo_data.FEATURES)]].to_numpy(np.float32).reshape(shape)
    names = rows["label"].to_numpy(str).reshape(shape[:2])[:, 0]
    labels = np.searchsorted(demo_data.CLASSES, names).astype(np.int64)  # the classes are in this order
    begin = demo_data.SEQUENCES - _SEQUENCES
    return (numbers[:begin], labels[:begin]), (numbers[begin:], labels[begin:])
